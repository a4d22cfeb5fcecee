"""Files, folders, archives and pasted text: what comes out, and what hostile ones do not do."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import socket
import tracemalloc
import zipfile
from collections.abc import Callable
from datetime import UTC, timedelta, timezone
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clew import archives
from clew.captures import Member, open_input, paste, receive
from clew.config import GIB, KIB, MIB, Limits
from clew.errors import ClewError, InputError, ParseError
from clew.model import Capture
from exports import BUILDERS, EXPECTED, FILES, MEMBERS, WHEN, a_dotted_tar, a_folder, a_tar, a_zip, archive, refused

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


@pytest.mark.parametrize("name", ["../../x/tweets.js", "C:\\x\\tweets.js", "/tweets.js"])
def test_the_name_of_an_upload_is_only_a_name(tmp_path: Path, name: str) -> None:
    (tmp_path / "up").write_bytes(b"[1]")
    capture = open_input(tmp_path / "up", name=name)
    assert isinstance(capture, Capture)
    assert capture.member == "tweets.js"


def test_a_file_name_that_is_not_unicode(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"caf\xe9.json")
    path.write_bytes(b"[1]")
    capture = open_input(path)
    assert isinstance(capture, Capture)
    assert msgspec.json.decode(msgspec.json.encode(capture), type=Capture).member == "caf\ufffd.json"


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
        (gzip.compress(b"", mtime=0), "The file is empty: {}."),
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
