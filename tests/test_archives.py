"""What hostile and damaged archives do not do."""

from __future__ import annotations

import gzip
import json
import os
import random
import struct
import subprocess
import tarfile
import tracemalloc
import zipfile
from pathlib import Path

import pytest

from clew.captures import Archive, open_input
from clew.config import MIB, Limits
from clew.errors import InputError, ParseError
from clew.model import Capture
from exports import BUILDERS, FILES, MEMBERS, a_folder, a_tar, a_zip, archive, refused


@pytest.mark.parametrize("kind", ["deflated zip", "tar", "tar.gz"])
@pytest.mark.parametrize(
    "name", ["../tweets.js", "a/../../x", "/etc/passwd", "C:/x", "c:x", "a\\b", "..", "x/" * 2100 + "x"]
)
def test_paths_that_lead_out(tmp_path: Path, kind: str, name: str) -> None:
    path = BUILDERS[kind](tmp_path / "a", {"data/tweets.js": b"[]", name: b"x"})
    assert "The archive holds a path that leads out of it: a, " in refused(path)


def test_a_nul_in_a_path(tmp_path: Path) -> None:
    path = a_zip(tmp_path / "a", {"data/tweets.jsX": b"[]"})
    path.write_bytes(path.read_bytes().replace(b"tweets.jsX", b"tweets.js\0"))
    assert "a path that leads out" in refused(path)


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE]
)
def test_links_and_devices_in_a_tar(tmp_path: Path, kind: bytes) -> None:
    with tarfile.open(tmp_path / "a", "w") as out:
        info = tarfile.TarInfo("data/tweets.js")
        info.type, info.linkname = kind, "/etc/passwd"
        out.addfile(info)
        media = tarfile.TarInfo("data/tweets_media/1.jpg")
        media.type, media.linkname = kind, "/etc/passwd"
        out.addfile(media)
    assert "is a link or a device, not a file: data/tweets.js" in refused(tmp_path / "a")
    assert list(archive(tmp_path / "a").media(["1.jpg"], MEMBERS)) == []


def test_a_link_in_a_zip(tmp_path: Path) -> None:
    info = zipfile.ZipInfo("data/tweets.js")
    info.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "a", "w") as out:
        out.writestr(info, "/etc/passwd")
    assert "is a link or a device" in refused(tmp_path / "a")


def test_links_in_a_folder_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "tweets.js").write_text("[1]")
    folder = a_folder(tmp_path / "a", {"data/account.js": b"[]"})
    (folder / "data" / "tweets.js").symlink_to(tmp_path / "outside" / "tweets.js")
    (folder / "more").symlink_to(tmp_path / "outside")
    os.mkfifo(folder / "outbox.json")
    opened = archive(folder)
    assert set(opened.names()) == {"data/account.js", "data/tweets.js", "more", "outbox.json"}
    assert "is a link or a device, not a file: data/tweets.js" in refused(folder)
    assert "is a link or a device, not a file: outbox.json" in refused(folder, members=MEMBERS[2:])


def test_a_folder_that_becomes_a_link(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "tweets.js").write_text("[1]")
    opened = archive(a_folder(tmp_path / "a", {"data/tweets.js": b"[]"}))
    (tmp_path / "a" / "data").rename(tmp_path / "a" / "old")
    (tmp_path / "a" / "data").symlink_to(tmp_path / "outside")
    with pytest.raises(InputError, match="not in the folder any more"):
        list(opened.captures(MEMBERS))


def test_a_deep_folder(tmp_path: Path) -> None:
    here = tmp_path / "a"
    here.mkdir()
    descriptor = os.open(here, os.O_RDONLY)
    for _ in range(1500):
        os.mkdir("d", dir_fd=descriptor)
        inner = os.open("d", os.O_RDONLY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = inner
    os.close(os.open("tweets.js", os.O_CREAT | os.O_WRONLY, dir_fd=descriptor))
    os.close(descriptor)
    try:
        assert len(archive(here).names()) == 1
    finally:
        subprocess.run(["rm", "-r", here], check=True)  # too deep for the cleaning of pytest


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_the_same_path_twice(tmp_path: Path, kind: str) -> None:
    if kind == "zip":
        with zipfile.ZipFile(tmp_path / "a", "w") as out:
            out.writestr("data/tweets.js", "[1]")
            out.writestr("./data/tweets.js", "[2]")
    else:
        a_tar(tmp_path / "a", {"data/tweets.js": b"[1]", "data//tweets.js": b"[2]"})
    assert "stands there twice: data/tweets.js" in refused(tmp_path / "a")


@pytest.mark.parametrize("kind", list(BUILDERS))
def test_too_many_files(tmp_path: Path, kind: str) -> None:
    path = BUILDERS[kind](tmp_path / "a", FILES)
    assert "There are more than 8 files in it: a" in refused(path, Limits(entries=8))


def test_a_zip_directory_is_counted_before_it_is_taken_apart(tmp_path: Path) -> None:
    path = a_zip(tmp_path / "a", {f"{n:0300}": b"" for n in range(4000)})
    with pytest.raises(InputError, match="more than 3,999 files") as caught:
        open_input(path, limits=Limits(entries=3999))
    assert caught.traceback[-1].frame.code.raw.co_name == "read"


def a_bomb(path: Path, kind: str, size: int) -> Path:
    body = b"[" + b" " * size + b"]"
    if kind == "zip":
        return a_zip(path, {"data/tweets.js": body})
    if kind == "tar.gz":
        return a_tar(path, {"a": b"", "data/tweets.js": body}, "w:gz")
    path.write_bytes(gzip.compress(body))
    return path


@pytest.mark.parametrize("kind", ["zip", "tar.gz", "gz"])
def test_bombs(tmp_path: Path, kind: str) -> None:
    path = a_bomb(tmp_path / "a", kind, 64 * MIB)
    tracemalloc.start()
    assert "It is packed more than 200 times smaller than it is, as no export is: a" in refused(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 40 * MIB


def test_entries_that_overlap(tmp_path: Path) -> None:
    """One stored body that two entries of the directory share, as the overlap bombs do."""
    path = a_zip(tmp_path / "a", {"data/tweets1.js": b"[1]", "data/tweets2.js": b"[1]"}, zipfile.ZIP_STORED)
    body = bytearray(path.read_bytes())
    second = body.rindex(b"PK\x01\x02")
    struct.pack_into("<L", body, second + 42, 0)
    path.write_bytes(body)
    assert "Entries of the archive lie over each other: a" in refused(path)


@pytest.mark.parametrize("change", [-2, 2, 1000])
def test_zip_sizes_that_lie(tmp_path: Path, change: int) -> None:
    path = a_zip(tmp_path / "a", {"data/account.js": b"x" * 5000})
    body = path.read_bytes()
    path.write_bytes(body.replace(struct.pack("<L", 5000), struct.pack("<L", 5000 + change)))
    assert "damaged" in (sentence := refused(path)) or "breaks off" in sentence


def test_a_directory_longer_than_memory(tmp_path: Path) -> None:
    path = tmp_path / "a"
    with path.open("wb") as out:
        out.write(b"PK\x03\x04")
        out.truncate(200 * MIB)
        out.seek(200 * MIB)
        out.write(struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 1, 1, 190 * MIB, 0, 0))
    assert "The directory of the archive is too long: a" in refused(path)


def test_an_encrypted_member(tmp_path: Path) -> None:
    path = a_zip(tmp_path / "a", {"data/tweets.js": b"[1]"})
    body = bytearray(path.read_bytes())
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        body[body.index(mark) + place] |= 1
    path.write_bytes(body)
    assert refused(path) == (
        "This entry of the archive is encrypted: data/tweets.js. Unpack the archive and give the folder."
    )


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_methods_whose_growth_cannot_be_bounded(tmp_path: Path, method: int) -> None:
    path = a_zip(tmp_path / "a", {"data/tweets.js": b"[1]"}, method)
    assert "is compressed in a way that is not read here" in refused(path)


@pytest.mark.parametrize("kind", ["deflated zip", "stored zip", "tar", "tar.gz", "gnu tar"])
def test_cut_off_or_flipped_anywhere(tmp_path: Path, kind: str) -> None:
    """An archive that lost its end or has one wrong byte reads as before, or raises a ClewError: nothing else."""
    long = {**FILES, "data/" + "long" * 60: b"x", "data/tweets99.js": json.dumps(list(range(3000))).encode()}
    whole = BUILDERS[kind](tmp_path / "a", long).read_bytes()
    chance = random.Random(7)
    for trial in range(150):
        body = bytearray(whole)
        if trial % 2:
            del body[chance.randrange(1, len(body)) :]
        else:
            body[chance.randrange(len(body))] ^= 1 << chance.randrange(8)
        (tmp_path / "a").write_bytes(body)
        try:
            opened = open_input(tmp_path / "a")
            pieces = list(opened.captures(MEMBERS)) if isinstance(opened, Archive) else [opened]
        except (InputError, ParseError):
            pieces = []
        assert all(isinstance(c, Capture) for c in pieces)


@pytest.mark.parametrize("kind", ["deflated zip", "tar.gz", "tar"])
def test_cut_off_says_so(tmp_path: Path, kind: str) -> None:
    path = BUILDERS[kind](tmp_path / "a", {"data/account.js": os.urandom(9000)})
    path.write_bytes(path.read_bytes()[:6000])
    assert "a. " in (sentence := refused(path))
    assert "breaks off" in sentence or "damaged" in sentence


def tar_block(name: bytes, size: bytes, kind: bytes) -> bytes:
    block = bytearray(512)
    block[: len(name)], block[124 : 124 + len(size)], block[156:157] = name, size, kind
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


@pytest.mark.parametrize(
    "body",
    [
        tar_block(b"a", b"77777777777", b"L"),
        tar_block(b"a", b"77777777777", b"x"),
        tar_block(b"a", b"\x80" + b"\xff" * 11, b"0"),
        tar_block(b"a", b"-0000000001", b"0"),
        tar_block(b"a", b"\xff" * 12, b"0"),
        tar_block(b"a", b"00000000000", b"S"),
        tar_block(b"a", b"00000000005", b"x") + b"0 a=b".ljust(512, b"\0"),
        tar_block(b"a", b"00000000013", b"x") + b"11 size=-9\n".ljust(512, b"\0") + tar_block(b"a", b"9", b"0"),
        tar_block(b"a", b"00000000000", b"L") * 5000,
        tar_block(b"a", b"00000000000", b"x") * 5000,
        tar_block(b"a", b"00000000000", b"0") + b"x" * 512,
    ],
    ids=range(11).__iter__(),
)  # fmt: skip
def test_tar_headers_that_lie(tmp_path: Path, body: bytes) -> None:
    (tmp_path / "a").write_bytes(body)
    assert ": a. " in refused(tmp_path / "a")


def test_reading_a_packed_tar_out_of_order_is_bounded(tmp_path: Path) -> None:
    names = [f"data/tweets{n}.js" for n in range(20)]
    path = a_tar(
        tmp_path / "a", {n: b'["%b"]' % os.urandom(50_000).hex().encode() for n in reversed(names)}, "w:gz"
    )
    assert len(list(archive(path).captures(MEMBERS))) == 20
    sentence = refused(path, Limits(total=8 * MIB))
    assert sentence == (
        "More than 8 MiB would have to be read: a. Unpack it and give the folder, or raise limits.total."
    )


def test_limits_of_members_and_records(tmp_path: Path) -> None:
    path = a_zip(tmp_path / "a", {"data/account.js": b"x" * 101, "data/tweets.js": b'["%b"]' % (b"x" * 99)})
    assert "This is larger than 100 bytes: data/account.js" in refused(path, Limits(file=100))
    with pytest.raises(ParseError, match="A record is larger than 100 bytes"):
        list(archive(path, Limits(record=100)).captures(MEMBERS))
    assert len(list(archive(path, Limits(file=101, record=101)).captures(MEMBERS))) == 2
