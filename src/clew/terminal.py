"""What the command line shows: tables, JSON lists, and a bar for long work."""

from __future__ import annotations

import heapq
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from clew.errors import InputError
from clew.text import printable, tail

if TYPE_CHECKING:
    from clew.model import Thread
    from clew.reading import Reading
    from clew.store import Found, Store

_ROWS = 50


def table(labels: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table: the first column takes what width is left, long cells are cut with "…"."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from clew.outline import one_line

    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = 160
    grid = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1), expand=True)
    ratios = {"First words": 3, "Title": 3, "Author": 1}
    for label in labels:
        align: Any = "right" if label == "Posts" else "left"
        grid.add_column(label, justify=align, overflow="ellipsis", no_wrap=True, ratio=ratios.get(label))
    for row in rows:
        grid.add_row(*(Text(one_line(cell)) for cell in row))
    console.print(grid)


def json_list(rows: Iterator[Any]) -> None:
    """Print values as one JSON list, as they come."""
    import msgspec

    lead = "[\n"
    for row in rows:
        click.echo(lead + msgspec.json.encode(row).decode(), nl=False)
        lead = ",\n"
    click.echo("[]" if lead == "[\n" else "\n]")


def list_threads(reading: Reading, rule: Any, as_json: bool) -> None:
    """List the threads of an export, the longest first."""
    from clew.outline import excerpt, name

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


def asking(command: Any) -> Any:
    """Give a command the words of a search, and its filters as options."""
    at_most = click.IntRange(1, 1000)
    command = click.option("--limit", type=at_most, default=20, show_default=True, help="At most so many.")(command)
    day = "on or {0} this day, month or year: 2026-02-21, 2026-02 or 2026."
    for name, words in (
        ("until", f"Posted {day.format('before')}"),
        ("since", f"Posted {day.format('after')}"),
        ("source", "From this source only; clew sources names them."),
        ("author", "By this author only: @handle, id or URL."),
    ):
        command = click.option(f"--{name}", default="", help=words)(command)
    return click.argument("words", nargs=-1, type=click.UNPROCESSED)(command)


def list_found(store: Store, as_json: bool, words: Sequence[str], limit: int, **filters: str) -> None:
    """List the threads in which something is found, with the passages.

    Raises:
        InputError: a filter cannot be read, or nothing is asked for.
    """
    from clew.search import query

    asked = " ".join(words)
    told = query(asked, **filters)
    if told.odd:
        raise InputError("This is no date", ", ".join(told.odd), "Write 2026, 2026-02 or 2026-02-21")
    if not told:
        raise InputError("Say what to search for", asked, "At least one word, an author or a source")
    results = store.search(told, limit, listed_only=False)
    if as_json:
        json_list(iter(results.found))
        return
    for one in results.found:
        _show_found(one)
    if not results.found:
        click.echo("Nothing was found.", err=True)
    elif results.before is not None:
        click.echo(f"These are the {limit:,} that were kept last; --limit shows more.", err=True)


def _show_found(one: Found) -> None:
    from clew.outline import name, one_line

    when = f", {one.entry.published.date().isoformat()}" if one.entry.published else ""
    click.echo(f"{one.entry.key}  {one_line(one.entry.title)}  ({one_line(name(one.entry.actor))}{when})")
    for hit in one.hits:
        warned = f"[{one_line(hit.warning)}] " if hit.warning else ""
        pieces = [click.style(printable(text), bold=marked) for text, marked in hit.snippet.pieces()]
        cuts = ["… " * hit.snippet.cut_before, " …" * hit.snippet.cut_after]
        click.echo("    " + warned + " ".join("".join([cuts[0], *pieces, cuts[1]]).split()))
    if one.more:
        click.echo("    and more in this thread")


@contextmanager
def progress(label: str) -> Iterator[Callable[[int], object]]:
    """Show a bar on a terminal; elsewhere nothing."""
    if not sys.stderr.isatty():
        yield bool
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed:,}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(label, total=None)
        yield lambda done: bar.update(task, completed=done)
