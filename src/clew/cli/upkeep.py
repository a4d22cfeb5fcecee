"""Verbs that keep what is kept in order, and prove it."""

from __future__ import annotations

from pathlib import Path

import click

from clew.cli.frame import as_json_option, cli, count_of, opened_store, settings
from clew.errors import InputError, StoreError
from clew.terminal import json_list, progress


@cli.command(epilog="Example: clew rebuild")
def rebuild() -> None:
    """Drop everything derived and derive it again from the captures."""
    from clew import keeping

    with opened_store() as store, progress("Deriving threads") as seen:
        count = 0
        for count, _ in enumerate(keeping.rebuild(store), 1):
            seen(count)
    click.echo(f"{count_of(count)} derived again.")


@cli.command(epilog="Example: clew check || echo something is wrong")
@as_json_option
def check(as_json: bool) -> None:
    """Decode every capture again and compare it with every span that is shown. Exit 6 where one does not hold."""
    from clew import keeping

    with opened_store() as store, progress("Checking threads") as seen:
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
        raise StoreError(f"{len(findings):,} things do not hold", f"{count_of(count)} checked")
    click.echo(f"{count_of(count)} checked; every character is where its capture has it.", err=as_json)


@cli.command(epilog="Example: clew verify thread.wacz")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--against", type=click.Path(path_type=Path), help="JSON or WACZ of the same thread.")
@click.option(
    "--authority",
    "roots",
    multiple=True,
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Certificate (PEM) of an authority whose time stamps are trusted.",
)
def verify(file: Path, against: Path | None, roots: tuple[Path, ...]) -> None:
    """Say whether an exported file is what its own captures and hashes give. Exit 6 where it does not hold."""
    from clew import evidence, pages

    found = evidence.verify(file, against, [pages.standalone], [root.read_bytes() for root in roots])
    if not found.holds:
        raise StoreError(found.sentence.rstrip("."))
    click.echo(found.sentence)


@cli.command(epilog="Example: clew stamp thread.wacz")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
def stamp(file: Path) -> None:
    """Have an authority confirm that a file exists now (RFC 3161); its answer goes beside it, as FILE.tsr.

    The authority sees the file's hash and nothing else. Its address is the setting evidence.authority.
    """
    from clew import stamps
    from clew.fetch import Client

    authority = settings().evidence.authority
    if not authority:
        raise InputError(
            "No authority is named", "evidence.authority", "Set CLEW_EVIDENCE_AUTHORITY to its address"
        )
    with Client(settings()) as client:
        answer = stamps.stamp(
            file.read_bytes(), lambda asked: client.post(authority, asked, stamps.ASKS, stamps.ANSWERS)
        )
    beside = stamps.beside(file)
    beside.write_bytes(answer)
    click.echo(f"{beside}")


@cli.command(epilog="Example: clew backup clew-2026-05-01.db")
@click.argument("file", type=click.Path(path_type=Path))
def backup(file: Path) -> None:
    """Write the whole store into one new file, while others use it.

    The file is an SQLite store, also where the store is a PostgreSQL database; either can be restored from it.
    """
    from clew import store

    with opened_store() as opened, progress("Writing"):
        store.backup(opened, file)
        count = opened.count(listed_only=False)
    click.echo(f"{count_of(count)} in {file}")


@cli.command(epilog="Example: clew restore clew-2026-05-01.db")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--replace", is_flag=True, help="Drop what the store holds.")
def restore(file: Path, replace: bool) -> None:
    """Put a backup, also one by an older Clew, into an empty store.

    With --replace, opt-outs stay, and who was removed after the backup was made is removed again.
    """
    from clew import keeping, store

    with opened_store() as opened, progress("Restoring"):
        back = store.restore(opened, file, replace=replace)
        for actor in back.removed:
            keeping.forget(opened, actor, "restore", opt_out=False)
        count = opened.count(listed_only=False)
    click.echo(f"{count_of(count)} restored. Prove it: clew check")


@cli.command(epilog="Example: clew forget @ada")
@click.argument("who")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--no-opt-out", is_flag=True, help="Allow the author's threads to be kept again.")
@click.option("--lift", is_flag=True, help="Only end an opt-out that stands.")
@click.option("--by", default="", help="Who asked for it, for the record.")
def forget(who: str, yes: bool, no_opt_out: bool, lift: bool, by: str) -> None:
    """Remove an author's text from everything that is kept or was exported, and refuse it from now on."""
    from clew import keeping, site

    config = settings()
    with opened_store() as store:
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
        f"{actor.id} is forgotten: {count_of(len(done.dropped))} dropped, {count_of(len(done.changed))} changed, "
        f"{done.captures:,} capture{'' if done.captures == 1 else 's'} redacted, "
        f"{len(removed):,} exported place{'' if len(removed) == 1 else 's'} cleaned."
    )
    for place in sorted({output.path for output in done.outputs} - set(removed)):
        if Path(place).exists():
            click.echo(f"Look at it yourself, it was changed since Clew wrote it: {place}", err=True)
