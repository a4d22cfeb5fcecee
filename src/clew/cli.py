"""The command line: one short function for each verb, the same words as the Python API."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from clew.errors import EXIT_INCOMPLETE, EXIT_INTERRUPTED, ClewError, InputError
from clew.terminal import json_list, progress, table

if TYPE_CHECKING:
    from clew.config import Config
    from clew.model import Thread
    from clew.reading import Reading
    from clew.store import Store

_RULES = click.Choice(["longest", "oldest", "all"])
_FORMS = click.Choice(["text", "markdown", "json", "html"])
_ROWS = 50


class _Verbs(click.Group):
    """Commands in the order in which they are written; without a verb, ``clew FILE`` unrolls."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  as click calls it
        return list(self.commands)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and (not args[0].startswith("-") or args[0] == "-"):
            args = ["unroll", *args]
        return super().parse_args(ctx, args)


def _options(*options: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def decorate(command: Any) -> Any:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


_as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_to = click.option("--to", "form", type=_FORMS, default="text", show_default=True, help="Format.")
_rule = click.option(
    "--rule", type=_RULES, default="longest", show_default=True, help="Which posts are the thread."
)


@click.group(cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option("--config", "config_file", type=click.Path(path_type=Path), help="Configuration file (TOML).")
@click.option("--store", "database", help="Where threads are kept: a path or a database URL.")
@click.version_option(package_name="clew", message="clew %(version)s")
@click.pass_context
def cli(context: click.Context, config_file: Path | None, database: str | None) -> None:
    """Turn a thread of posts into one readable, durable, citable document.

    \b
    clew unroll thread.txt             read a thread
    clew unroll archive.zip            see which threads an export holds
    clew unroll thread.txt --save      keep it
    clew serve                         read what is kept, in a browser

    Exit codes: 0 done (also for an incomplete thread), 1 error, 2 wrong input, 3 incomplete (--strict),
    4 a source failed, 5 not a thread, 6 the store failed, 7 refused by the author, 8 a plugin failed,
    130 interrupted.
    """
    context.obj = (config_file, database)


def _config() -> Config:
    import msgspec

    from clew.config import load

    config_file, database = click.get_current_context().find_root().obj
    config = load(config_file, os.environ)
    return msgspec.structs.replace(config, database=database) if database else config


@contextmanager
def _store() -> Iterator[Store]:
    from clew import store

    with store.open(_config().database) as opened:
        yield opened


@cli.command(epilog="Example: clew unroll thread.txt --author @ada --published 2026-02-21 --to markdown")
@click.argument("given", metavar="FILE|FOLDER|-")
@click.option("--post", default="", help="The thread of this post (id or URL).")
@click.option("--all", "every", is_flag=True, help="All threads of an export.")
@click.option("--save", is_flag=True, help="Keep it in the store.")
@click.option("--author", default="", help="Who wrote a pasted text: @handle, name or URL.")
@click.option("--published", default="", help="When a pasted text was written: 2026-02-21 or with a time.")
@click.option("--strict", is_flag=True, help="Exit with 3 where a post is missing.")
@_options(_rule, _to, _as_json)
def unroll(
    given: str,
    post: str,
    every: bool,
    save: bool,
    author: str,
    published: str,
    strict: bool,
    rule: Any,
    form: str,
    as_json: bool,
) -> None:
    """Read a thread from a file, an export or pasted text ("-" is standard input).

    An export that holds several threads lists them; --post or --all says which to take.
    """
    with _opened(given, author, published, keep=save) as reading:
        if every:
            chosen: Iterator[Thread] = reading.threads(rule)
        else:
            found = reading.thread(post, rule) if post else reading.main(rule)
            if found is None:
                if save:
                    raise InputError("It holds several threads", given, "Say which with --post ID, or take --all")
                _print_threads(reading, rule, as_json)
                return
            chosen = iter([found])
        whole = _take(reading, chosen, save, "json" if as_json else form)
    if strict and not whole:
        sys.exit(EXIT_INCOMPLETE)


@contextmanager
def _opened(given: str, author: str, published: str, *, keep: bool) -> Iterator[Reading]:
    from clew import captures
    from clew.reading import LINK, opened

    limits = _config().limits
    with progress("Reading records") as seen:
        if given == "-":
            what: Any = captures.receive(sys.stdin.buffer, limits=limits)
        else:
            what = given if LINK.match(given) else Path(given)
        reading = opened(what, author=author, published=published, limits=limits, keep=keep, progress=seen)
    with reading:
        yield reading


def _take(reading: Reading, threads: Iterator[Thread], save: bool, form: str) -> bool:
    """Print or keep each thread; return whether nothing is missing in any."""
    from clew.keeping import save as keep

    whole, count = True, 0
    if save:
        with _store() as store, progress("Keeping threads") as seen:
            for count, thread in enumerate(threads, 1):
                key = keep(store, reading, thread)
                seen(count)
                click.echo(f"{key}  {_title(thread)}")
                _certify(thread)
                whole = whole and thread.certificate.complete != "no"
    else:
        for count, thread in enumerate(threads, 1):
            _write(_rendered(thread, form), "" if count == 1 else "\n")
            _certify(thread)
            whole = whole and thread.certificate.complete != "no"
    if not count:
        raise InputError("There is no thread in it", "", "Is it the right file?")
    return whole


def _title(thread: Thread) -> str:
    from clew.flow import page
    from clew.outline import one_line

    return one_line(page(thread).title)


def _certify(thread: Thread) -> None:
    from clew.outline import one_line

    click.echo(one_line(thread.certificate.sentence), err=True)


def _rendered(thread: Thread, form: str) -> bytes:
    from clew.flow import export, page

    if form != "html":
        return export(thread, form)
    from clew.pages import standalone

    return standalone(page(thread))


def _write(data: bytes, before: str = "") -> None:
    sys.stdout.flush()
    sys.stdout.buffer.write(before.encode() + data)
    sys.stdout.buffer.flush()


def _print_threads(reading: Reading, rule: Any, as_json: bool) -> None:
    """List the threads of an export, the longest first."""
    import heapq

    from clew.outline import excerpt, name
    from clew.text import tail

    def row(thread: Thread) -> dict[str, Any]:
        posts = [item for item in thread.items if hasattr(item, "content")]
        author = next((name(a) for a in thread.actors if a.id == thread.attributed_to), thread.attributed_to)
        when = posts[0].published.isoformat() if posts[0].published else ""
        return {
            "post": posts[0].id,
            "words": excerpt(thread),
            "author": author,
            "published": when,
            "posts": thread.certificate.found,
            "complete": thread.certificate.complete,
        }

    count = 0

    def counted() -> Iterator[dict[str, Any]]:
        nonlocal count
        for count, thread in enumerate(reading.threads(rule), 1):  # noqa: B007
            yield row(thread)

    if as_json:
        json_list(counted())
        return
    longest = heapq.nlargest(_ROWS, counted(), key=lambda r: (r["posts"], r["published"]))
    cells = [
        [r["words"], r["author"], r["published"][:10], str(r["posts"]), r["complete"], tail(r["post"])]
        for r in longest
    ]
    table(("First words", "Author", "Date", "Posts", "Complete", "--post"), cells)
    shown = f", the {_ROWS} longest are shown; --json lists all" if count > _ROWS else ""
    click.echo(f"{count:,} threads{shown}. Take one with --post, or all with --all.", err=True)


@cli.command("list", epilog="Example: clew list --author @ada --json")
@click.option("--author", default="", help="Only this author's: @handle, id or URL.")
@click.option("--limit", type=click.IntRange(min=1), default=_ROWS, show_default=True, help="At most so many.")
@_as_json
def list_(author: str, limit: int, as_json: bool) -> None:
    """List the threads that are kept, the latest first."""
    from clew.outline import name

    with _store() as store:
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


@cli.command(epilog="Example: clew show 4ksd --to markdown")
@click.argument("name")
@_to
def show(name: str, form: str) -> None:
    """Print a kept thread, by its key, the start of it, or the id or URL of any of its posts."""
    with _store() as store:
        thread = store.thread(name)
    _write(_rendered(thread, form))
    _certify(thread)


@cli.command(epilog="Example: clew export 4ksd --to markdown -o thread.md")
@click.argument("name")
@_to
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), required=True, help="File to write."
)
def export(name: str, form: str, output: Path) -> None:
    """Write a kept thread to a file. "forget" later finds the file by what the store notes of it."""
    with _store() as store:
        thread = store.thread(name)
        try:
            data = _rendered(thread, form)
            output.write_bytes(data)
        except OSError as error:
            raise InputError(f"The file cannot be written ({error.strerror})", str(output)) from error
        with store.writing() as writer:
            writer.put_output(str(output.resolve()), f"export {sha256(data).hexdigest()}", [thread.id])
    click.echo(f"{output}")


@cli.command(epilog="Example: clew rebuild")
def rebuild() -> None:
    """Drop everything derived and derive it again from the captures."""
    from clew import keeping

    with _store() as store, progress("Deriving threads") as seen:
        count = 0
        for count, _ in enumerate(keeping.rebuild(store), 1):
            seen(count)
    click.echo(f"{_threads(count)} derived again.")


@cli.command(epilog="Example: clew check || echo something is wrong")
@_as_json
def check(as_json: bool) -> None:
    """Decode every capture again and compare it with every span that is shown. Exit 6 where one does not hold."""
    from clew import keeping
    from clew.errors import StoreError

    with _store() as store, progress("Checking threads") as seen:
        findings, count = [], 0
        for result in keeping.check(store):
            if isinstance(result, keeping.Finding):
                findings.append(result)
            else:
                count += 1
                seen(count)
    if as_json:
        json_list(iter(finding._asdict() for finding in findings))
    else:
        for finding in findings:
            click.echo(f"{finding.thread}: {finding.what}")
    if findings:
        raise StoreError(f"{len(findings):,} things do not hold", f"{_threads(count)} checked")
    click.echo(f"{_threads(count)} checked; every character is where its capture has it.", err=as_json)


def _threads(count: int) -> str:
    return f"{count:,} thread{'' if count == 1 else 's'}"


@cli.command(epilog="Example: clew forget @ada")
@click.argument("who")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--no-opt-out", is_flag=True, help="Allow the author's threads to be kept again.")
@click.option("--lift", is_flag=True, help="Only end an opt-out that stands.")
@click.option("--by", default="", help="Who asked for it, for the record.")
def forget(who: str, yes: bool, no_opt_out: bool, lift: bool, by: str) -> None:
    """Remove an author's text from everything that is kept or was exported, and refuse it from now on."""
    from clew import keeping, site

    config = _config()
    with _store() as store:
        if lift:
            with store.writing() as writer:
                ended = writer.lift_opt_out(keeping.somebody(store, who).id)
            click.echo("The opt-out has ended." if ended else "There was no opt-out.")
            return
        actor = keeping.somebody(store, who)
        if not yes:
            click.confirm(f"Remove all text of {actor.id}? This cannot be undone", abort=True)
        done = keeping.forget(store, actor.id, by or "operator", opt_out=not no_opt_out)
        removed = site.sweep(store, config, done)
    click.echo(
        f"{actor.id} is forgotten: {_threads(len(done.dropped))} dropped, {_threads(len(done.changed))} changed, "
        f"{done.captures:,} capture{'' if done.captures == 1 else 's'} redacted, "
        f"{len(removed):,} exported place{'' if len(removed) == 1 else 's'} cleaned."
    )
    for place in sorted({output.path for output in done.outputs} - set(removed)):
        if Path(place).exists():
            click.echo(f"Look at it yourself, it was changed since Clew wrote it: {place}", err=True)


@cli.command("sources", epilog="Example: clew sources --json")
@_as_json
def sources_(as_json: bool) -> None:
    """List what Clew can read."""
    from clew.plugins import sources

    if as_json:
        json_list(iter({"name": s.name, "title": s.title, "formats": s.formats} for s in sources()))
        return
    for source in sources():
        click.echo(source.title)
        for line in source.formats:
            click.echo(f"    {line}")


@cli.command(epilog="Example: clew serve --port 8080")
@click.option("--host", help="Address to listen on.  [default: 127.0.0.1]")
@click.option("--port", type=int, help="Port; 0 takes any free one.  [default: 8000]")
def serve(host: str | None, port: int | None) -> None:
    """Show what is kept in a browser, and take pasted text and exports there."""
    from clew import web

    config = _config()
    with _store() as store:
        web.serve(store, config, host or config.listen.host, config.listen.port if port is None else port)


@cli.command(epilog="Example: clew build public/")
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False))
def build(directory: Path) -> None:
    """Write the same pages as files, for any web server."""
    from clew import site

    with _store() as store, progress("Writing pages") as seen:
        built = site.build(store, _config(), directory, progress=seen)
    click.echo(f"{built:,} files in {directory}")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; every error is one sentence and a documented exit code."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that temporary files are removed then, too
    try:
        code = cli.main(arguments, prog_name="clew", standalone_mode=False)
        sys.exit(code if isinstance(code, int) else 0)
    except ClewError as error:
        _fail(str(error), error.exit_code)
    except click.exceptions.Abort:
        _fail("Interrupted.", EXIT_INTERRUPTED)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        sys.exit(InputError.exit_code)
    except click.ClickException as error:
        _fail(f"{error.format_message()} See: clew --help", InputError.exit_code)
    except KeyboardInterrupt:
        _fail("Interrupted.", EXIT_INTERRUPTED)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


def _fail(sentence: str, code: int) -> None:
    from clew.outline import one_line

    click.echo(f"clew: {one_line(sentence)}", err=True)
    sys.exit(code)
