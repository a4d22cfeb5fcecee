"""Verbs that read, show and look again."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from clew.cli.frame import (
    ROWS,
    as_json_option,
    certify,
    cli,
    count_of,
    form_option,
    opened_store,
    options,
    rendered,
    rule_option,
    settings,
    title_of,
    write,
)
from clew.errors import EXIT_INCOMPLETE, ClewError, InputError, SourceError
from clew.terminal import asking, json_list, list_found, list_threads, progress, table
from clew.text import LINK, address

if TYPE_CHECKING:
    from clew.config import Config
    from clew.model import Thread
    from clew.reading import Reading
    from clew.refreshing import Look
    from clew.store import Store


@cli.command(epilog="Example: clew unroll https://bsky.app/profile/ada.example/post/3kabc --save --media")
@click.argument("given", metavar="URL|FILE|FOLDER|-")
@click.option("--post", default="", help="The thread of this post (id or URL).")
@click.option("--all", "every", is_flag=True, help="All threads of an export.")
@click.option("--save", is_flag=True, help="Keep it in the store.")
@click.option("--author", default="", help="Who wrote a pasted text: @handle, name or URL.")
@click.option("--published", default="", help="When a pasted text was written: 2026-02-21 or with a time.")
@click.option("--media", is_flag=True, help="Fetch the pictures too (of a URL).")
@click.option("--offline", is_flag=True, help="Ask no server: of a URL take what is kept.")
@click.option("--strict", is_flag=True, help="Exit with 3 where a post is missing.")
@options(rule_option, form_option, as_json_option)
def unroll(
    given: str,
    post: str,
    every: bool,
    save: bool,
    author: str,
    published: str,
    media: bool,
    offline: bool,
    strict: bool,
    rule: Any,
    form: str,
    as_json: bool,
) -> None:
    """Read a thread: from the address of any post in it, a file, an export or pasted text ("-" is standard input).

    An export that holds several threads lists them; --post or --all says which to take.
    """
    given = address(given) or given
    if offline and LINK.match(given):
        context = click.get_current_context()
        context.invoke(show, name=given, form="json" if as_json else form)
        return
    with _opened(given, author, published, keep=save, media=media) as reading:
        if every:
            chosen: Iterator[Thread] = reading.threads(rule)
        else:
            found = reading.thread(post, rule) if post else reading.main(rule)
            if found is None:
                if save:
                    raise InputError("It holds several threads", given, "Say which with --post ID, or take --all")
                list_threads(reading, rule, as_json)
                return
            chosen = iter([found])
        whole = _take(reading, chosen, save, "json" if as_json else form)
    if strict and not whole:
        sys.exit(EXIT_INCOMPLETE)


@contextmanager
def _opened(given: str, author: str, published: str, *, keep: bool, media: bool) -> Iterator[Reading]:
    from clew import captures
    from clew.reading import opened

    config, link = settings(), bool(LINK.match(given))
    with progress("Asking servers" if link else "Reading records") as seen:
        if given == "-":
            what: Any = captures.receive(sys.stdin.buffer, limits=config.limits)
        else:
            what = given if link else Path(given)
        reading = opened(
            what, author=author, published=published, config=config, keep=keep, media=media, progress=seen
        )
    if link and not keep:
        _mind_opt_outs(reading, config)
    with reading:
        yield reading


def _mind_opt_outs(reading: Reading, config: Config) -> None:
    """Refuse a thread whose author asked this Clew to be left out."""
    from clew import keeping, store

    if "://" in config.database or Path(config.database).exists():
        with store.open(config.database) as opened:
            keeping.mind_opt_outs(opened, reading.one())


def _take(reading: Reading, threads: Iterator[Thread], save: bool, form: str) -> bool:
    """Print or keep each thread; return whether nothing is missing in any."""
    from clew.keeping import save as keep

    whole, count = True, 0
    if save:
        with opened_store() as store, progress("Keeping threads") as seen:
            for count, thread in enumerate(threads, 1):
                key = keep(store, reading, thread)
                seen(count)
                click.echo(f"{key}  {title_of(thread)}")
                certify(thread)
                whole = whole and thread.certificate.complete != "no"
    else:
        for count, thread in enumerate(threads, 1):
            write(rendered(thread, form, reading.captures), "" if count == 1 else "\n")
            certify(thread)
            whole = whole and thread.certificate.complete != "no"
    if not count:
        raise InputError("There is no thread in it", "", "Is it the right file?")
    return whole


@cli.command(epilog="Example: clew refresh --all --older-than 24")
@click.argument("name", required=False)
@click.option("--all", "every", is_flag=True, help="Every thread that was fetched, the longest ago first.")
@click.option(
    "--older-than",
    "hours",
    type=click.FloatRange(min=0),
    default=1,
    show_default=True,
    help="With --all: leave out what was asked within so many hours; so a run that stopped goes on where it was.",
)
@click.option("--media", is_flag=True, help="Fetch pictures that are not kept yet.")
@as_json_option
def refresh(name: str | None, every: bool, hours: float, media: bool, as_json: bool) -> None:
    """Ask again for kept threads: what grew, what was edited, what is gone, what came back.

    What is gone at its source leaves the pages; that it was there, and when it was missed, stays.
    """
    if bool(name) == every:
        raise InputError("Say which thread, or --all", "", "clew list shows what there is")
    failures: list[ClewError] = []
    with opened_store() as store, progress("Asking servers" if name else "Looking at threads") as seen:
        since = datetime.now(UTC) - timedelta(hours=hours)
        looks = (
            _looks(store, media, failures, seen, since) if every else iter([_look(store, name or "", media, seen)])
        )
        if as_json:
            json_list(look._asdict() for look in looks)
        else:
            count = 0
            for count, look in enumerate(looks, 1):  # noqa: B007
                click.echo(f"{look.key}  {look}  {look.title}")
                click.echo(look.certificate, err=True)
            if not count and not failures:
                click.echo(f"Nothing is due: no address was last asked over {hours:g} hours ago.", err=True)
    if failures:
        raise SourceError(f"{count_of(len(failures))} could not be asked", "", "The same command asks them again")


def _look(store: Store, name: str, media: bool, seen: Callable[[int], object]) -> Look:
    from clew.refreshing import refresh

    return refresh(store, name, settings(), media=media, progress=seen)


def _looks(
    store: Store, media: bool, failures: list[ClewError], seen: Callable[[int], object], since: datetime
) -> Iterator[Look]:
    """Look at each thread that was not looked at since; tell what fails and go on."""
    for number, saving in enumerate(store.due(since), 1):
        try:
            yield _look(store, saving.thread, media, bool)
        except ClewError as error:
            failures.append(error)
            click.echo(f"clew: {error}", err=True)
        seen(number)


@cli.command("list", epilog="Example: clew list --author @ada --json")
@click.option("--author", default="", help="Only this author's: @handle, id or URL.")
@click.option("--limit", type=click.IntRange(min=1), default=ROWS, show_default=True, help="At most so many.")
@as_json_option
def list_(author: str, limit: int, as_json: bool) -> None:
    """List the threads that are kept, the latest first."""
    from clew.outline import name

    with opened_store() as store:
        who = store.actor(author).id if author else None
        entries = store.latest(limit, author=who, listed_only=False)
    if as_json:
        json_list(iter(entries))
    elif not entries:
        click.echo("Nothing is kept yet. Begin with: clew unroll FILE --save", err=True)
    else:
        rows = [
            [
                e.title,
                name(e.actor),
                e.published.date().isoformat() if e.published else "",
                str(e.posts),
                e.complete,
                e.key,
            ]
            for e in entries
        ]
        table(("Title", "Author", "Date", "Posts", "Complete", "Key"), rows)


@cli.command(epilog="Example: clew search harb* -log", context_settings={"ignore_unknown_options": True})
@asking
@as_json_option
def search(as_json: bool, **asked: Any) -> None:
    """Find posts by their words: all of them, "a phrase", -without, start*."""
    with opened_store() as store:
        list_found(store, as_json, **asked)


@cli.command(epilog="Example: clew show 4ksd --to markdown")
@click.argument("name")
@form_option
def show(name: str, form: str) -> None:
    """Print a kept thread, by its key, the start of it, or the id or URL of any of its posts."""
    with opened_store() as store:
        thread = store.thread(name)
        data = rendered(thread, form, lambda thread: store.captures(thread.id))
    write(data)
    certify(thread)


@cli.command(epilog="Example: clew export 4ksd --to markdown -o thread.md")
@click.argument("name")
@form_option
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), required=True, help="File to write."
)
def export(name: str, form: str, output: Path) -> None:
    """Write a kept thread to a file. "forget" later finds the file by what the store notes of it."""
    with opened_store() as store:
        thread = store.thread(name)
        try:
            data = rendered(thread, form, lambda thread: store.captures(thread.id))
            output.write_bytes(data)
        except OSError as error:
            raise InputError(f"The file cannot be written ({error.strerror})", str(output)) from error
        with store.writing() as writer:
            writer.put_output(str(output.resolve()), f"export {sha256(data).hexdigest()}", [thread.id])
    click.echo(f"{output}")
