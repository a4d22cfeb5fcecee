"""What every verb shares: the group, options, the settings, the store, and how threads are written out."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from clew.config import Config
    from clew.model import Capture, Thread
    from clew.store import Store

RULES = click.Choice(["longest", "oldest", "all"])
FORMS = "text, markdown, html, epub, pdf, json, jsonld, warc, wacz, manifest, bibtex, csl"
ROWS = 50


_ORDER = """
    unroll refresh list search show export sources serve build rebuild check verify stamp backup restore forget
""".split()


class _Verbs(click.Group):
    """Commands in the order of a thread's life; without a verb, ``clew URL`` or ``clew FILE`` unrolls."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  as click calls it
        return sorted(self.commands, key=_ORDER.index)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        return super().resolve_command(ctx, args if args[0] in self.commands else ["unroll", *args])


def options(*options: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def decorate(command: Any) -> Any:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


as_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
form_option = click.option(
    "--to", "form", metavar="FORM", default="text", show_default=True, help=f"One of: {FORMS}."
)
rule_option = click.option(
    "--rule", type=RULES, default="longest", show_default=True, help="Which posts are the thread."
)


@click.group(cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option("--config", "config_file", type=click.Path(path_type=Path), help="Configuration file (TOML).")
@click.option("--store", "database", help="Where threads are kept: a path or a database URL.")
@click.version_option(package_name="clew", message="clew %(version)s")
@click.pass_context
def cli(context: click.Context, config_file: Path | None, database: str | None) -> None:
    """Turn a thread of posts into one readable, durable, citable document.

    \b
    clew unroll https://…              read a thread, given the address of any post in it
    clew unroll thread.txt             the same from a file, an export or pasted text
    clew unroll archive.zip            see which threads an export holds
    clew unroll thread.txt --save      keep it
    clew serve                         read what is kept, in a browser

    Exit codes: 0 done (also for an incomplete thread), 1 error, 2 wrong input, 3 incomplete (--strict),
    4 a source failed, 5 not a thread, 6 the store failed, 7 refused by the author, 8 a plugin failed,
    130 interrupted.
    """
    context.obj = (config_file, database)


def settings() -> Config:
    import msgspec

    from clew.config import load

    config_file, database = click.get_current_context().find_root().obj
    config = load(config_file, os.environ)
    return msgspec.structs.replace(config, database=database) if database else config


@contextmanager
def opened_store() -> Iterator[Store]:
    from clew import store

    with store.open(settings().database) as opened:
        yield opened


def title_of(thread: Thread) -> str:
    from clew.flow import page
    from clew.outline import one_line

    return one_line(page(thread).title)


def certify(thread: Thread) -> None:
    from clew.outline import one_line

    click.echo(one_line(thread.certificate.sentence), err=True)


def rendered(thread: Thread, form: str, captures: Callable[[Thread], Iterable[Capture]]) -> bytes:
    """Return the thread in this form; ``captures`` are asked for only where the form carries some of them."""
    from clew.flow import export, page
    from clew.plugins import carries_captures, exporters

    if form == "html":
        from clew.pages import standalone

        return standalone(page(thread, "", captures(thread)))
    carrying = any(carries_captures(exporter) for exporter in exporters() if exporter.name == form)
    return export(thread, form, "", captures(thread) if carrying else ())


def write(data: bytes, before: str = "") -> None:
    sys.stdout.flush()
    sys.stdout.buffer.write(before.encode() + data)
    sys.stdout.buffer.flush()


def count_of(count: int) -> str:
    return f"{count:,} thread{'' if count == 1 else 's'}"
