"""An invented account archive, in every kind of archive there is."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from clew.captures import Archive, Member, open_input
from clew.config import Limits
from clew.errors import InputError

WHEN = datetime(2026, 3, 1, 12, tzinfo=UTC)
MEMBERS = (
    Member("data/account.js", "whole"),
    Member("data/tweets*.js", "records"),
    Member("outbox.json", "records", "orderedItems"),
    Member("data/tweets_media/*", "media"),
)
FILES = {
    "data/account.js": b'window.YTD.account.part0 = [{"account": {"username": "ada"}}]',
    "data/tweets-part10.js": b'window.YTD.tweets.part10 = [{"tweet": {"id": "5"}}]',
    "data/tweets-part2.js": b'window.YTD.tweets.part2 = [{"tweet": {"id": "4"}}]',
    "data/tweets.js": b'window.YTD.tweets.part0 = [ {"tweet": {"id": "2"}},\n{"tweet" : {"id": "3"}} ]',
    "data/deleted-tweets.js": b"marker: deleted",
    "data/direct-messages.js": b"marker: a letter to Taras",
    "data/tweets_media/2-lake.jpg": b"\xff\xd8 lake",
    "data/direct_messages_media/tweets.js/secret.jpg": b"marker: a picture",
    "outbox.json": b'{"id": "outbox.json", "orderedItems": [{"id": 1}, {"id": 2}], "totalItems": 2}',
}
EXPECTED = [
    ("data/account.js", FILES["data/account.js"]),
    ("data/tweets.js#1", b'{"tweet": {"id": "2"}}'),
    ("data/tweets.js#2", b'{"tweet" : {"id": "3"}}'),
    ("data/tweets-part2.js#1", b'{"tweet": {"id": "4"}}'),
    ("data/tweets-part10.js#1", b'{"tweet": {"id": "5"}}'),
    ("outbox.json#0", b'{"id": "outbox.json", "orderedItems": [], "totalItems": 2}'),
    ("outbox.json#1", b'{"id": 1}'),
    ("outbox.json#2", b'{"id": 2}'),
]


def a_zip(path: Path, files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as out:
        for name, body in files.items():
            out.writestr(name, body)
    return path


def a_tar(path: Path, files: dict[str, bytes], mode: str = "w", kind: int = tarfile.PAX_FORMAT) -> Path:
    with tarfile.open(path, mode, format=kind) as out:  # type: ignore[call-overload]
        for name, body in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(body)
            out.addfile(info, io.BytesIO(body))
    return path


def a_folder(path: Path, files: dict[str, bytes]) -> Path:
    for name, body in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(body)
    return path


def a_dotted_tar(path: Path, files: dict[str, bytes]) -> Path:
    return a_tar(path, {f"./export/{name}": body for name, body in files.items()})


BUILDERS: dict[str, Callable[[Path, dict[str, bytes]], Path]] = {
    "deflated zip": a_zip,
    "stored zip": lambda p, f: a_zip(p, f, zipfile.ZIP_STORED),
    "tar": a_tar,
    "gnu tar": lambda p, f: a_tar(p, f, kind=tarfile.GNU_FORMAT),
    "ustar": lambda p, f: a_tar(p, f, kind=tarfile.USTAR_FORMAT),
    "tar.gz": lambda p, f: a_tar(p, f, "w:gz"),
    "folder": a_folder,
}


def archive(path: Path, limits: Limits | None = None) -> Archive:
    opened = open_input(path, limits=limits or Limits(), retrieved=WHEN)
    assert isinstance(opened, Archive)
    return opened


def refused(path: Path, limits: Limits | None = None, members: tuple[Member, ...] = MEMBERS) -> str:
    """The sentence with which the path, or one of its members, is refused."""
    with pytest.raises(InputError) as caught:
        list(archive(path, limits).captures(members))
    assert caught.value.what
    return str(caught.value)
