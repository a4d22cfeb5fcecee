"""The command line: one short function for each verb, the same words as the Python API."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence

import click

from clew.cli import publish, threads, upkeep
from clew.cli.frame import cli
from clew.errors import EXIT_INTERRUPTED, ClewError, InputError

__all__ = ["cli", "main", "publish", "threads", "upkeep"]


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
