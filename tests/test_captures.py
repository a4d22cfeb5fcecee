"""Files, folders, archives and pasted text: what comes out, and what hostile ones do not do."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import random
import socket
import struct
import subprocess
import tarfile
import tracemalloc
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clew import archives
from clew.captures import Archive, Member, open_input, paste, receive
from clew.config import GIB, KIB, MIB, Limits
from clew.errors import ClewError, InputError, ParseError
from clew.model import Capture

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


# --- archives -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("build", BUILDERS.values(), ids=BUILDERS)
def test_the_same_captures_from_every_kind_of_archive(tmp_path: Path, build: Callable[..., Path]) -> None:
    path = build(tmp_path / "name that tells nothing", FILES)
    with archive(path) as opened:
        assert set(opened.names()) == set(FILES)
        captures = list(opened.captures(MEMBERS))
        assert [(c.member, c.body) for c in captures] == EXPECTED
        assert {c.archive for c in captures} == {opened.sha256}
        assert all(c.sha256 == hashlib.sha256(c.body).hexdigest() and c.retrieved == WHEN for c in captures)
        assert [c.media_type for c in captures] == ["text/javascript"] + ["application/json"] * 7
        assert not [c for c in captures if b"marker" in c.body]
        if path.is_file():
            assert opened.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("build", BUILDERS.values(), ids=BUILDERS)
def test_media_only_where_a_member_allows_it(tmp_path: Path, build: Callable[..., Path]) -> None:
    opened = archive(build(tmp_path / "a", FILES))
    asked = ["2-lake.jpg", "secret.jpg", "direct-messages.js", "data/account.js", "lake.jpg"]
    found = [(c.member, c.body, c.media_type) for c in opened.media(asked, MEMBERS)]
    assert found == [("data/tweets_media/2-lake.jpg", b"\xff\xd8 lake", "image/jpeg")]
    assert list(opened.media(asked, MEMBERS[:3])) == []
    small = archive(tmp_path / "a", Limits(media=3))
    assert list(small.media(asked, MEMBERS)) == []


@pytest.mark.parametrize("build", BUILDERS.values(), ids=BUILDERS)
def test_reading_twice_and_at_once(tmp_path: Path, build: Callable[..., Path]) -> None:
    opened = archive(build(tmp_path / "a", FILES))
    pairs = zip(opened.captures(MEMBERS), opened.captures(MEMBERS), strict=True)
    assert all(a == b and list(opened.media(["2-lake.jpg"], MEMBERS)) for a, b in pairs)


def test_first_is_the_first_of_captures(tmp_path: Path) -> None:
    opened = archive(a_zip(tmp_path / "a", FILES))
    first = opened.first(MEMBERS)
    assert first
    assert first.member == "data/account.js"
    assert opened.first(MEMBERS[1:]) == next(opened.captures(MEMBERS[1:]))
    assert opened.first(MEMBERS[2:]) == next(opened.captures(MEMBERS[2:]))
    assert opened.first(MEMBERS[3:]) is None
    assert opened.first(()) is None


def test_first_reads_only_the_start(tmp_path: Path) -> None:
    rest = {"orderedItems": ["x" * 1000] * 9000, "totalItems": 9000}
    files = {"outbox.json": json.dumps({"id": "outbox.json", **rest}).encode()}
    path = a_zip(tmp_path / "a", files, zipfile.ZIP_STORED)
    limits = Limits(file=MIB, total=3 * MIB)
    first = archive(path, limits).first(MEMBERS)
    assert first
    assert json.loads(first.body) == {"id": "outbox.json", "orderedItems": []}
    assert "More than 3 MiB would have to be read" in refused(path, limits)


@pytest.mark.parametrize("build", [a_folder, a_dotted_tar])
def test_a_folder_around_or_above_makes_no_difference(tmp_path: Path, build: Callable[..., Path]) -> None:
    tail = [(m, b) for m, b in EXPECTED if m.startswith("data/")]
    inner = build(
        tmp_path / "data", {k.removeprefix("data/") if build is a_folder else k: v for k, v in FILES.items()}
    )
    captures = list(archive(inner).captures(MEMBERS[:2]))
    assert [c.body for c in captures] == [b for _, b in tail]


def test_globs(tmp_path: Path) -> None:
    opened = archive(
        a_tar(tmp_path / "a", dict.fromkeys(("a/b/c.js", "a/c.js", "c.js", "C.js", "a/bc.js", "[.js"), b"[1]"))
    )

    def matched(glob: str) -> list[str]:
        return [c.member for c in opened.captures([Member(glob, "whole")])]

    assert matched("c.js") == ["a/b/c.js", "a/c.js", "c.js"]
    assert matched("a/*") == ["a/bc.js", "a/c.js"]
    assert matched("a/**/c.js") == ["a/b/c.js", "a/c.js"]
    assert matched("?.js") == ["C.js", "[.js", "a/b/c.js", "a/c.js", "c.js"]
    assert matched("[!a-z].js") == ["C.js", "[.js"]
    assert matched("[.js") == ["[.js"]
    assert matched("b*.js") == ["a/bc.js"]


def test_the_hash_of_a_folder_is_of_its_paths_and_sizes(tmp_path: Path) -> None:
    one, two = a_folder(tmp_path / "one", FILES), a_folder(tmp_path / "two", dict(reversed(FILES.items())))
    before = archive(one).sha256
    assert before == archive(two).sha256
    (two / "outbox.json").write_bytes(b"{}")
    assert archive(two).sha256 != before


NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\\\0:/"), min_size=1, max_size=120).filter(
    lambda name: name.strip(".")
)


@given(
    st.dictionaries(NAMES, st.binary(max_size=2000), min_size=1, max_size=5),
    st.sampled_from([k for k in BUILDERS if k not in ("folder", "ustar")]),
)
def test_any_names_and_any_bytes(
    tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes], kind: str
) -> None:
    """Our tar reader and the safety checks change nothing of what the standard library wrote."""
    opened = archive(BUILDERS[kind](tmp_path_factory.mktemp("any") / "a", files))
    captures = {c.member: c.body for c in opened.captures([Member("*", "whole")])}
    assert captures == files


def test_zip64(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a", "w") as out, out.open("data/tweets.js", "w", force_zip64=True) as member:
        member.write(FILES["data/tweets.js"])
    assert [c.body for c in archive(tmp_path / "a").captures(MEMBERS)] == [b for _, b in EXPECTED[1:3]]


# --- hostile archives ---------------------------------------------------------------------------------------


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


# --- single files -------------------------------------------------------------------------------------------


def test_a_small_file_is_one_capture(tmp_path: Path) -> None:
    (tmp_path / "result.json").write_bytes(b'{"messages": []}')
    capture = open_input(tmp_path / "result.json", retrieved=WHEN)
    digest = hashlib.sha256(b'{"messages": []}').hexdigest()
    assert capture == Capture(digest, b'{"messages": []}', "application/json", WHEN, member="result.json")


@pytest.mark.parametrize(
    ("name", "body", "media_type"),
    [
        ("x", b'\xef\xbb\xbf {"a": 1}', "application/json"),
        ("x", b"window.YTD.tweets.part0 = [", "application/json"),
        ("x", b"<!doctype html>", "text/html"),
        ("x", b"hello", "text/plain"),
        ("x", b"\x00\x01", "application/octet-stream"),
        ("repo.car", b"\x3a\xa2", "application/vnd.ipld.car"),
        ("PAGE.HTM", b"hello", "text/html"),
    ],
)
def test_media_types(tmp_path: Path, name: str, body: bytes, media_type: str) -> None:
    (tmp_path / name).write_bytes(body)
    capture = open_input(tmp_path / name)
    assert isinstance(capture, Capture)
    assert (capture.media_type, capture.body) == (media_type, body)


def test_a_gzip_of_one_file(tmp_path: Path) -> None:
    (tmp_path / "up").write_bytes(gzip.compress(b"[1]") + gzip.compress(b" "))
    capture = open_input(tmp_path / "up", name="tweets.js.gz")
    assert isinstance(capture, Capture)
    assert (capture.body, capture.member, capture.media_type) == (b"[1] ", "tweets.js", "text/javascript")
    assert capture.archive == hashlib.sha256((tmp_path / "up").read_bytes()).hexdigest()


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    ("body", "member"),
    [
        (b'window.YTD.tweets.part0 = [{"n": 1}, {"n": 2}]', MEMBERS[1]),
        (b'{"n": 1}\n{"n": 2}\n', MEMBERS[1]),
        (b'{"id": "outbox.json", "orderedItems": [{"n": 1}, {"n": 2}]}', MEMBERS[2]),
    ],
)
def test_a_large_file_of_records_is_an_archive(tmp_path: Path, body: bytes, member: Member, packed: bool) -> None:
    path = tmp_path / "renamed by its owner.txt"
    path.write_bytes(gzip.compress(body) if packed else body)
    opened = archive(path, Limits(file=10))
    assert opened.names() == (path.name,)
    captures = list(opened.captures(MEMBERS))
    assert [c.body for c in captures if not c.member.endswith("#0")] == [b'{"n": 1}', b'{"n": 2}']
    assert bool(member.key) == (captures[0].member == f"{path.name}#0")
    assert opened.first(MEMBERS) is not None
    assert opened.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert opened.first(MEMBERS[3:]) is None


def test_a_large_file_of_anything_else(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"words " * 20)
    assert refused(tmp_path / "a.txt", Limits(file=100)) == (
        "This is larger than 100 bytes: a.txt. Only lists of JSON records can be; or raise limits.file."
    )


def test_one_line_of_a_gigabyte(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    with path.open("wb") as out:
        out.write(b'{"text": "')
        out.truncate(GIB)  # sparse: a gigabyte to read, nothing on the disk
    tracemalloc.start()
    opened = archive(path)
    with pytest.raises(ParseError, match="A record is larger than 16,777,216 bytes"):
        list(opened.captures(MEMBERS))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 140 * MIB


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"", "The file is empty: {}."),
        (gzip.compress(b""), "The file is empty: {}."),
        (b"\x28\xb5\x2f\xfd....", "The file is packed with zstd: {}. Unpack it and give what is in it."),
        (b"BZh91AY", "The file is packed with bzip2"),
        (b"\xfd7zXZ\x00", "The file is packed with xz"),
        (b"Rar!\x1a\x07\x00", "The file is packed with RAR"),
        (b"PK\x05\x06" + bytes(18), "There are no files in it: {}. Is it the right one?"),
        (b"PK\x03\x04 and no more", "The archive is damaged (File is not a zip file): a."),
        (b"\x1f\x8b and no more", "The archive is damaged (Unknown compression method): a."),
        (gzip.compress(os.urandom(999))[:500], "The file breaks off: a. Is it complete? Get it again."),
    ],
)
def test_files_that_cannot_be_used(tmp_path: Path, body: bytes, sentence: str) -> None:
    (tmp_path / "a").write_bytes(body)
    assert refused(tmp_path / "a").startswith(sentence.format(tmp_path / "a"))


def test_what_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "empty").mkdir()
    assert refused(tmp_path / "pipe").startswith(f"This is not a file: {tmp_path / 'pipe'}")
    assert refused(Path("/dev/zero")).startswith("This is not a file: /dev/zero")
    assert refused(tmp_path / "none").startswith(f"There is no such file: {tmp_path / 'none'}")
    assert refused(tmp_path / "empty").startswith("There are no files in it")
    assert refused(tmp_path / ("x" * 300)).startswith("The file cannot be read")
    assert "null byte" in refused(Path("a\0b"))


def test_a_socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # the path of a socket is short
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind("sock")
        assert refused(Path("sock")).startswith("The file cannot be read: sock.")


def test_an_unreadable_file(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may read everything")
    (tmp_path / "a").write_bytes(b"x")
    (tmp_path / "a").chmod(0)
    assert "Permission denied" in refused(tmp_path / "a")


def test_errors_keep_their_cause(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"PK\x03\x04 and no more")
    with pytest.raises(ClewError) as caught:
        open_input(tmp_path / "a")
    assert isinstance(caught.value.__cause__, zipfile.BadZipFile)
    assert caught.value.exit_code == 2


# --- text and streams ---------------------------------------------------------------------------------------


def test_paste() -> None:
    capture = paste("1/ Привіт\n", author="Тарас", published="2026-01-05", retrieved=WHEN)
    assert capture.body == "1/ Привіт\n".encode()
    assert capture.sha256 == hashlib.sha256(capture.body).hexdigest()
    assert capture.headers == {"author": "Тарас", "published": "2026-01-05"}
    assert (capture.media_type, capture.retrieved, capture.member) == ("text/plain", WHEN, "")
    assert paste("x").headers == {}


def test_times_are_utc() -> None:
    assert paste("x", retrieved=WHEN.astimezone(timezone(timedelta(hours=3)))).retrieved.tzinfo is UTC
    assert paste("x").retrieved.utcoffset() == timedelta(0)


@pytest.mark.parametrize(
    ("text", "what"),
    [(" \n", "There is no text"), ("\ud800", "not text in UTF-8"), ("x" * 9, "larger than 8 bytes")],
)
def test_pastes_that_cannot_be_used(text: str, what: str) -> None:
    with pytest.raises(InputError, match=what):
        paste(text, limits=Limits(file=8))


def test_receive() -> None:
    assert receive(io.BytesIO(b"{}"), retrieved=WHEN).media_type == "application/json"
    with pytest.raises(InputError, match="nothing on the standard input"):
        receive(io.BytesIO())
    with pytest.raises(InputError, match="larger than 8 bytes: standard input"):
        receive(io.BytesIO(b"x" * 9), limits=Limits(file=8))


def test_sizes_for_people() -> None:
    assert [archives.size_of(n) for n in (100, 64 * MIB, 3 * KIB // 2, 16 * GIB)] == [
        "100 bytes",
        "64 MiB",
        "1.5 KiB",
        "16 GiB",
    ]
