"""One optional TOML file and the environment, read once into a frozen ``Config``.

The first of these that exists is read: the path given, ``$CLEW_CONFIG``, ``./clew.toml``,
``$XDG_CONFIG_HOME/clew/config.toml``. Each setting can be set in the environment too, which goes before the file:
``CLEW_DATABASE``, ``CLEW_SITE_TITLE``, ``CLEW_LIMITS_FILE`` and so on, named after the fields below. A list is
written there as "one, two", a table as "key=value, key=value".
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from functools import reduce
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta

from clew.errors import InputError

Count = Annotated[int, Meta(ge=1)]
Seconds = Annotated[float, Meta(gt=0)]
Host = Annotated[str, Meta(pattern=r"^[^\s/@,]+$")]
WebAddress = Annotated[str, Meta(pattern=r"^$|^https?://[^\s/?#]+[^\s?#]*$")]

Section = TypeVar("Section", bound="Settings")

KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Base of all sections: immutable, and a misspelt name is an error."""


class Limits(Settings, frozen=True):
    """How much is read of what others made. Sizes are bytes after decompression."""

    file: Count = 64 * MIB
    """A file, a pasted text or a member of an archive that is read in one piece."""
    record: Count = 16 * MIB
    """One entry of a list of records; and the object around the list."""
    media: Count = 64 * MIB
    """One picture, video or sound of an archive."""
    total: Count = 16 * GIB
    """All that is read of one archive, what is read twice or skipped in a compressed one counted too."""
    thread: Count = 100_000
    """Posts of one conversation; all of one are held in memory at once."""
    entries: Count = 200_000
    """Files in an archive or folder."""
    ratio: Count = 200
    """How many times larger a compressed file may become, its first 16 MiB aside. Real exports reach 20 to 40."""


class Site(Settings, frozen=True):
    """What the pages say of the site they stand on."""

    title: str = "Clew"
    """Name of the site, at the top of each page."""
    base_url: WebAddress = ""
    """Public address of the site, without a "/" at its end; empty where it has none."""
    contact: str = ""
    """Where an author can ask for a removal: an address or a URL."""
    about: str = ""
    """Who runs the site and why, plain text."""
    share_images: bool = False
    """Draw a picture for links to each thread, which takes 0.1 s. Needs ``base_url`` and the extra "images"."""
    indexing: bool = False
    """Whether search engines may list the pages; else each page asks them not to."""


class Listen(Settings, frozen=True):
    """Where ``clew serve`` listens."""

    host: str = "127.0.0.1"
    """Address; 0.0.0.0 is every one of this machine's."""
    port: Annotated[int, Meta(ge=0, le=65535)] = 8000
    """0 takes any free port."""
    log: bool = False
    """A line on standard error for each request; never who asked, nor what was searched for."""
    metrics: bool = False
    """Whether /metrics answers other machines too."""
    cache: Annotated[int, Meta(ge=0)] = 64 * MIB
    """Memory for pages that were asked for lately; 0 keeps none."""


class Network(Settings, frozen=True):
    """How Clew asks servers. Times are seconds, sizes bytes after decompression."""

    offline: bool = False
    """Ask nobody; what is kept and files still work."""
    connect: Seconds = 10
    """To look a name up, and again to connect."""
    read: Seconds = 20
    """Between two pieces of an answer."""
    whole: Seconds = 60
    """One answer from the first byte sent to the last received."""
    visit: Seconds = 900
    """All requests for one thread, waiting counted."""
    body: Count = 16 * MIB
    """One answer."""
    media: Count = 64 * MIB
    """One picture."""
    redirects: Annotated[int, Meta(ge=0)] = 5
    """For one request."""
    attempts: Count = 4
    """For one request, where the server is busy or the connection breaks."""
    patience: Seconds = 60
    """Longest wait that a server may ask for; one that asks for more is told as an error."""
    pause: Annotated[float, Meta(ge=0)] = 0.1
    """Between two requests to one host."""
    requests: Count = 500
    """For one thread."""
    private_hosts: tuple[Host, ...] = ()
    """Hosts ("name" or "name:port") that may be asked although they are not public, by any port and plain HTTP."""


class Bluesky(Settings, frozen=True):
    """Which services of the AT Protocol are asked."""

    appview: WebAddress = "https://public.api.bsky.app"
    """For what others wrote, and for handles."""
    plc: WebAddress = "https://plc.directory"
    """Directory of did:plc."""


class Mastodon(Settings, frozen=True):
    """Access to servers of the fediverse."""

    tokens: dict[Host, str] = {}
    """Host to access token (scope read:statuses)."""


class X(Settings, frozen=True):
    """Access to the API of X."""

    token: str = ""
    """Bearer token of your app."""
    api: WebAddress = "https://api.x.com"
    """Where the API is."""
    vocabulary: Literal["post", "tweet"] = "post"
    """Names that the API is asked by: "post" since July 2026, "tweet" before."""


class Telegram(Settings, frozen=True):
    """Where public previews of channels are."""

    site: WebAddress = "https://t.me"
    """Address of the previews."""


class Evidence(Settings, frozen=True):
    """Who vouches for times."""

    authority: WebAddress = ""
    """Address of a time stamp authority (RFC 3161) that ``clew stamp`` asks."""


class Config(Settings, frozen=True):
    """Every setting. ``load`` fills in ``database``."""

    database: str = ""
    """Path of an SQLite file or an SQLAlchemy URL. Default: ``$XDG_DATA_HOME/clew/clew.db``."""
    site: Site = Site()
    listen: Listen = Listen()
    submit: Literal["local", "anyone", "nobody"] = "local"
    """Who may fetch, paste and upload on the served site: this machine only, anyone, or nobody."""
    limits: Limits = Limits()
    network: Network = Network()
    bluesky: Bluesky = Bluesky()
    mastodon: Mastodon = Mastodon()
    x: X = X()
    telegram: Telegram = Telegram()
    evidence: Evidence = Evidence()


def load(path: Path | None, environ: Mapping[str, str]) -> Config:
    """Return the settings of the file (``path``, or the first of the usual places) and the environment.

    Raises:
        InputError: a file that was named is missing, or a setting is unknown or not of its type.
    """
    file = _file(path, environ)
    data = _read(file) if file else {}
    config = _convert(data, str(file))
    for keys, variable in _variables(Config):
        if variable in environ:
            data = _with(data, keys, _said(reduce(getattr, keys, Config()), environ[variable], variable))
            config = _convert(data, variable)
    database = config.database or str(_home(environ, "XDG_DATA_HOME", ".local/share") / "clew" / "clew.db")
    return msgspec.structs.replace(_trimmed(config), database=database)


def _file(path: Path | None, environ: Mapping[str, str]) -> Path | None:
    if path is None and environ.get("CLEW_CONFIG"):
        path = Path(environ["CLEW_CONFIG"])
    if path is not None:
        return path  # named by someone: a missing one is an error
    usual = (Path("clew.toml"), _home(environ, "XDG_CONFIG_HOME", ".config") / "clew" / "config.toml")
    return next((place for place in usual if place.exists()), None)


def _home(environ: Mapping[str, str], variable: str, default: str) -> Path:
    """A base folder of the XDG specification, which asks to ignore relative paths."""
    given = Path(environ.get(variable, ""))
    return given if given.is_absolute() else Path(environ.get("HOME") or Path.home()) / default


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise InputError(
            "The configuration file cannot be opened", str(path), error.strerror or "Check the path"
        ) from error
    except UnicodeDecodeError as error:
        raise InputError(
            "The configuration file is not text in UTF-8", str(path), "Save it again as UTF-8"
        ) from error
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"The configuration file is not TOML ({error})", str(path), "Mend that line") from error


def _convert(data: dict[str, Any], subject: str) -> Config:
    try:
        return msgspec.convert(data, Config, strict=False)
    except msgspec.ValidationError as error:
        raise InputError(
            f"A setting is wrong ({error})", subject, "The settings are listed in the documentation"
        ) from error


def _variables(struct: type[Settings], keys: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    """Each setting as the path of its keys and the environment variable that sets it."""
    for field in msgspec.structs.fields(struct):
        path = (*keys, field.name)
        if isinstance(field.type, type) and issubclass(field.type, Settings):
            yield from _variables(field.type, path)
        else:
            yield path, "_".join(("CLEW", *path)).upper()


def _said(default: object, text: str, variable: str) -> object:
    """What a variable says, in the shape of the setting's default. No error repeats it: it may be a token."""
    if not isinstance(default, tuple | dict):
        return text
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if isinstance(default, tuple):
        return parts
    pairs = [[half.strip() for half in part.split("=", 1)] for part in parts]
    if not all(len(pair) == 2 and all(pair) for pair in pairs):
        raise InputError("A setting is wrong", variable, "Write key=value, key=value")
    return dict(pairs)


def _trimmed(section: Section) -> Section:
    """The same with addresses that have no "/" at their end, as paths are put behind them."""
    changes: dict[str, object] = {}
    for field in msgspec.structs.fields(section):
        value = getattr(section, field.name)
        if field.type == WebAddress:
            changes[field.name] = value.rstrip("/")
        elif isinstance(value, Settings):
            changes[field.name] = _trimmed(value)
    return msgspec.structs.replace(section, **changes)


def _with(data: dict[str, Any], keys: tuple[str, ...], value: object) -> dict[str, Any]:
    """A copy of ``data`` with ``value`` under the path ``keys``."""
    head, *rest = keys
    inner = data.get(head, {})
    # A section that is no table was refused when the file was read.
    return {**data, head: _with(inner, tuple(rest), value) if rest else value}
