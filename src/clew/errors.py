"""Every error Clew raises, and the exit code of each.

    ClewError                     exit 1
    ├── InputError                exit 2    what was typed: no such file, an empty, binary or unknown one
    ├── SourceError  .url         exit 4
    │   ├── FetchError  .status .retry_after    no answer, or none that can be used
    │   │   ├── RateLimited                 the server asks to wait longer than Clew does
    │   │   └── LoginRequired               the server shows it to people who are logged in only
    │   └── ParseError  .at                 a capture that does not hold what its format promises
    ├── ThreadError               exit 5    not a thread, no such post in it, too long
    ├── StoreError                exit 6    not found, locked, wrong version
    ├── Refused                   exit 7    the author asked us not to
    └── PluginError  .plugin      exit 8

One text form everywhere: what happened, to what, what to do. The terminal prints it without a traceback,
the web shows the same sentence. No exception of a library leaves Clew: each is chained as the cause.
An incomplete thread is not an error (``--strict`` exits 3); an interrupted command exits 130.
"""

from __future__ import annotations

EXIT_INCOMPLETE = 3
EXIT_INTERRUPTED = 130


class ClewError(Exception):
    """Base of all errors: ``what`` happened, to what (``subject``), what to do (``hint``)."""

    exit_code = 1

    def __init__(self, what: str, subject: str = "", hint: str = "") -> None:
        super().__init__(what, subject, hint)
        self.what, self.subject, self.hint = what, subject, hint

    def __str__(self) -> str:
        head = f"{self.what}: {self.subject}" if self.subject else self.what
        parts = (part for part in (head, self.hint) if part)
        return " ".join(part if part.endswith((".", "?", "!")) else f"{part}." for part in parts)


class InputError(ClewError):
    """What was given cannot be used."""

    exit_code = 2


class SourceError(ClewError):
    """A network, or an export of one, did not give what it should. ``url`` says where."""

    exit_code = 4

    def __init__(self, what: str, subject: str = "", hint: str = "", *, url: str = "") -> None:
        super().__init__(what, subject, hint)
        self.url = url


class FetchError(SourceError):
    """A server gave no answer, or none that can be used. ``status`` is 0 where there was no response."""

    def __init__(
        self,
        what: str,
        subject: str = "",
        hint: str = "",
        *,
        url: str = "",
        status: int = 0,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(what, subject, hint, url=url)
        self.status, self.retry_after = status, retry_after


class RateLimited(FetchError):
    """The server asks to wait longer than Clew does: ``retry_after`` seconds, where it says how long."""


class LoginRequired(FetchError):
    """The server shows this to people who are logged in only."""


class ParseError(SourceError):
    """A capture does not hold what its format promises. ``at`` is the path or byte offset."""

    def __init__(self, what: str, subject: str = "", hint: str = "", *, url: str = "", at: str = "") -> None:
        super().__init__(what, subject, hint, url=url)
        self.at = at


class ThreadError(ClewError):
    """The posts do not make the thread that was asked for."""

    exit_code = 5


class StoreError(ClewError):
    """The store cannot do it: nothing there, locked, or of another version."""

    exit_code = 6


class Refused(ClewError):
    """The author asked us not to."""

    exit_code = 7


class PluginError(ClewError):
    """A plugin failed. ``plugin`` names it."""

    exit_code = 8

    def __init__(self, what: str, subject: str = "", hint: str = "", *, plugin: str = "") -> None:
        super().__init__(what, subject, hint)
        self.plugin = plugin
