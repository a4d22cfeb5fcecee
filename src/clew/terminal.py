"""What the command line shows: tables, JSON lists, and a bar for long work."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import click


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
