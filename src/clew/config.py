"""One optional TOML file and the environment, read once into a frozen ``Config``.

The first of these that exists is read: the path given, ``$CLEW_CONFIG``, ``./clew.toml``,
``$XDG_CONFIG_HOME/clew/config.toml``. Each setting can be set in the environment too, which goes before the file:
``CLEW_DATABASE``, ``CLEW_SITE_TITLE``, ``CLEW_LIMITS_FILE`` and so on, named after the fields below.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from clew.errors import InputError

Count = Annotated[int, Meta(ge=1)]
WebAddress = Annotated[str, Meta(pattern=r"^$|^https?://[^\s/?#]+[^\s?#]*$")]

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


class Listen(Settings, frozen=True):
    """Where ``clew serve`` listens."""

    host: str = "127.0.0.1"
    """Address; 0.0.0.0 is every one of this machine's."""
    port: Annotated[int, Meta(ge=0, le=65535)] = 8000
    """0 takes any free port."""


class Config(Settings, frozen=True):
    """Every setting. ``load`` fills in ``database``."""

    database: str = ""
    """Path of an SQLite file or an SQLAlchemy URL. Default: ``$XDG_DATA_HOME/clew/clew.db``."""
    site: Site = Site()
    listen: Listen = Listen()
    submit: Literal["local", "anyone", "nobody"] = "local"
    """Who may paste and upload on the served site: this machine only, anyone, or nobody."""
    limits: Limits = Limits()


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
            data = _with(data, keys, environ[variable])
            config = _convert(data, variable)
    site = msgspec.structs.replace(config.site, base_url=config.site.base_url.rstrip("/"))
    database = config.database or str(_home(environ, "XDG_DATA_HOME", ".local/share") / "clew" / "clew.db")
    return msgspec.structs.replace(config, site=site, database=database)


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


def _with(data: dict[str, Any], keys: tuple[str, ...], value: str) -> dict[str, Any]:
    """A copy of ``data`` with ``value`` under the path ``keys``."""
    head, *rest = keys
    inner = data.get(head, {})
    # A section that is no table was refused when the file was read.
    return {**data, head: _with(inner, tuple(rest), value) if rest else value}
