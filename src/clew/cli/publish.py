"""Verbs that show what can be read, and put what is kept before readers."""

from __future__ import annotations

from pathlib import Path

import click

from clew.cli.frame import as_json_option, cli, opened_store, settings
from clew.terminal import json_list, progress


@cli.command("sources", epilog="Example: clew sources --json")
@as_json_option
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
@click.option("--log", is_flag=True, help="Write a line for each request to standard error.")
def serve(host: str | None, port: int | None, log: bool) -> None:
    """Show what is kept in a browser, and take pasted text and exports there."""
    from msgspec.structs import replace

    from clew import web

    config = settings()
    if log:
        config = replace(config, listen=replace(config.listen, log=True))
    with opened_store() as store:
        web.serve(store, config, host or config.listen.host, config.listen.port if port is None else port)


@cli.command(epilog="Example: clew build public/")
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False))
def build(directory: Path) -> None:
    """Write the same pages as files, for any web server."""
    from clew import site

    with opened_store() as store, progress("Writing pages") as seen:
        built = site.build(store, settings(), directory, progress=seen)
    click.echo(f"{built:,} files in {directory}")
