"""WARC and WACZ: read by other people's programs, replayed byte for byte, and without what may not be shown."""

from __future__ import annotations

import gzip
import io
import json
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any
from zipfile import ZIP_STORED, ZipFile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from surt import surt
from warcio.archiveiterator import ArchiveIterator

from clew import flow, reading, store, warc
from clew.errors import ParseError, Refused
from clew.exporters.wacz import EXPORTER as WACZ
from clew.exporters.wacz import searchable
from clew.exporters.warc import EXPORTER as WARC
from clew.fetch import FAILURE, VISIT
from clew.manifest import manifest
from clew.model import Capture, Certificate, Document, Page, Post, Thread, Tombstone
from clew.plugins import exporters

CASES = Path(__file__).parent / "cases"
FILES = sorted([*CASES.glob("*/*/capture.*"), *CASES.glob("*/*/archive")])
BODY = (CASES / "bluesky/thread_v2/capture.json").read_bytes()
WHEN = datetime(2031, 5, 1, 12, 30, 15, 123456, tzinfo=UTC)
ADDRESS = "https://Api.Example/xrpc/thread?uri=at%3A%2F%2Fdid:plc:a/b&Depth=9"
MOST = 1 << 30


def answer(url: str = ADDRESS, body: bytes = BODY, hours: int = 0, **more: Any) -> Capture:
    """Return what a server answered."""
    headers = {"content-type": "application/json", "content-encoding": "gzip", "content-length": "77"}
    headers |= {"x-name": "Zoë", VISIT: WHEN.isoformat()}
    told: dict[str, Any] = {"status": 200, "headers": headers} | more
    time = WHEN + timedelta(hours=hours)
    return Capture(sha256(body).hexdigest(), body, "application/json", time, url=url, **told)


def visited(*captures: Capture) -> Page:
    """Return the page of the thread in these captures."""
    source = reading.source_of(captures[0])
    post = next(filter(None, map(source.anchor, captures)))
    return flow.page(reading.derive(source, captures, post, "longest"), "https://clew.example/t/x/", captures)


FULL = visited(
    answer(),
    answer("https://mirror.example/é", hours=1),
    answer("https://old.example/", hours=2, location="https://new.example/"),
    answer("https://down.example/", b"", 3, status=0, headers={FAILURE: "The server did not answer"}),
    answer("https://missing.example/", b'{"error":"NotFound"}', 4, status=404),
)


def parts(page: Page) -> dict[str, bytes]:
    with ZipFile(io.BytesIO(WACZ.export(page))) as zip_:
        return {name: zip_.read(name) for name in zip_.namelist()}


def read(data: bytes) -> list[tuple[str, str, bytes, Any]]:
    """Return what warcio reads: type, address, payload, headers of the answer; digests are checked on the way."""
    found = []
    for record in ArchiveIterator(io.BytesIO(data), check_digests="raise"):
        payload = record.content_stream().read()
        assert record.digest_checker.passed is True or record.rec_type == "revisit"
        found.append(
            (record.rec_type, record.rec_headers.get_header("WARC-Target-URI"), payload, record.http_headers)
        )
    return found


# --- judged by others --------------------------------------------------------------------------------------------


def test_warcio_reads_what_was_received() -> None:
    """Each answer is a record under the address that answered, with its status line, headers and exact body."""
    records = read(WARC.export(FULL))
    assert [record[:2] for record in records] == [
        ("warcinfo", None),
        ("response", ADDRESS),
        ("revisit", "https://mirror.example/%C3%A9"),
        ("revisit", "https://new.example/"),
        ("metadata", "https://down.example/"),
        ("response", "https://missing.example/"),
        ("metadata", FULL.thread.id),
    ]
    _, _, body, head = records[1]
    assert body == BODY
    assert head.get_statuscode() == "200"
    assert head.get_header("x-archive-orig-content-encoding") == "gzip"
    assert head.get_header("content-length") == str(len(BODY))
    assert head.get_header(VISIT) is None
    assert b"The server did not answer" in records[4][2]
    assert records[5][3].get_statuscode() == "404"


@pytest.mark.parametrize("path", FILES, ids=lambda path: "/".join(path.parts[-3:-1]))
def test_warcio_checks_every_kind_of_source(path: Path) -> None:
    """Files, pastes and members of archives are resources under the URI of their digest; every digest holds."""
    with reading.opened(path) as opened:
        for thread in opened.threads():
            captures = opened.captures(thread)
            records = read(WARC.export(flow.page(thread, captures=captures)))
            kept = [(to, body) for kind, to, body, _ in records if kind in ("resource", "conversion")]
            left_out = sum(kind == "metadata" for kind, *_ in records) - 1
            assert {body for _, body in kept} <= {capture.body for capture in captures}
            assert len(kept) + left_out == len(captures)
            assert all(to.startswith("ni:///sha-256;") for to, _ in kept)


def test_warcio_check_and_wacz_validate_say_valid(tmp_path: Path) -> None:
    """The tools of the two formats find no fault, also where there is nothing but a failure, and nothing at all."""
    down = answer("https://down.example/", b"", status=0, headers={FAILURE: "No answer"})
    for number, page in enumerate((FULL, replace(FULL, captures=(down,)), replace(FULL, captures=()))):
        file, packed = tmp_path / f"{number}.wacz", tmp_path / f"{number}.warc.gz"
        file.write_bytes(WACZ.export(page))
        packed.write_bytes(WARC.export(page))
        for tool in (["wacz", "validate", "-f", str(file)], ["warcio", "check", str(packed)]):
            module = "wacz.main" if tool[0] == "wacz" else "warcio.cli"
            start = f"import sys, {module}; sys.argv = {tool!r}; sys.exit({module}.main())"
            done = subprocess.run([sys.executable, "-c", start], capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stdout + done.stderr
            assert ("valid" in done.stdout and "invalid" not in done.stdout) or tool[0] == "warcio"


def replayed(archive: dict[str, bytes], address: str) -> tuple[str, bytes]:
    """Return status and body at an address as a player finds them: by the index, a part of the WARC, and warcio."""
    head, *above = archive["indexes/index.idx"].decode().splitlines()
    assert head.startswith("!meta 0 ")
    lines = []
    for line in above:
        block = json.loads(line.split(" ", 2)[2])
        lines += (
            gzip.decompress(archive["indexes/index.cdx.gz"][block["offset"] : block["offset"] + block["length"]])
            .decode()
            .splitlines()
        )
    assert lines == sorted(lines)
    facts = next(line.split(" ", 2)[2] for line in lines if line.startswith(f"{surt(address)} "))
    told = json.loads(facts)
    at = int(told["offset"])
    piece = archive["archive/data.warc.gz"][at : at + int(told["length"])]
    record = next(iter(ArchiveIterator(io.BytesIO(piece), check_digests="raise")))
    if record.rec_type == "revisit":
        return replayed(archive, record.rec_headers.get_header("WARC-Refers-To-Target-URI"))
    return told["status"], record.content_stream().read()


@pytest.mark.parametrize(
    ("address", "status", "body"),
    [
        (ADDRESS, "200", BODY),
        ("https://mirror.example/é", "200", BODY),
        ("https://new.example/", "200", BODY),
        ("https://missing.example/", "404", b'{"error":"NotFound"}'),
    ],
)
def test_a_replay_is_byte_equal(address: str, status: str, body: bytes) -> None:
    """What the index leads to is the very body that was received, also of an answer that was the same again."""
    assert replayed(parts(FULL), address) == (status, body)


@pytest.mark.parametrize(
    "url",
    [
        "https://www.Example.org:443/a?b=2&a=1", "http://a.b.c", "http://a.b.c:8080/", "https://a.b/x/y/?q=%C3%A9&b",
        "http://127.0.0.1:8080/x", "https://x.test/?", "https://x.test/a//b/", "https://x.test/é", "http://www2.a.b/C",
        "https://bsky.app/xrpc/app.x?uri=at%3A%2F%2Fdid:plc:a/b&z=1", "https://x.test/a%20b%25", "ftp://a.b/",
        "https://x.test/@ada@b.example/1?x=%2525",
    ],
)  # fmt: skip
def test_index_keys_are_those_of_everybody(url: str) -> None:
    """An address has the key in our index that the library of the web archives gives it."""
    assert searchable(url) == (url if url.startswith("ftp") else surt(url))


def test_pages_are_listed_with_their_text() -> None:
    """The list of pages names the answers that the posts came from, with the thread's title and words."""
    head, first = map(json.loads, parts(FULL)["pages/pages.jsonl"].decode().splitlines())
    assert head["format"] == "json-pages-1.0"
    assert (first["url"], first["title"]) == (ADDRESS, FULL.title)
    assert all(item.content in first["text"] for item in FULL.thread.items if isinstance(item, Post))
    assert first["ts"] == "2031-05-01T12:30:15.123456Z"


def test_each_part_has_its_hash_and_packed_ones_are_stored() -> None:
    """The package lists each part with its digest; what is packed already can be read in place."""
    archive = parts(FULL)
    package = json.loads(archive["datapackage.json"])
    for resource in package["resources"]:
        data = archive[resource["path"]]
        assert (resource["hash"], resource["bytes"]) == (f"sha256:{sha256(data).hexdigest()}", len(data))
    assert {r["path"] for r in package["resources"]} == archive.keys() - {
        "datapackage.json",
        "datapackage-digest.json",
    }
    assert package["wacz_version"] == "1.1.1"
    with ZipFile(io.BytesIO(WACZ.export(FULL))) as zip_:
        assert all(i.compress_type == ZIP_STORED for i in zip_.infolist() if i.filename.endswith(".gz"))
    assert archive["archive/data.warc.gz"] == WARC.export(FULL)


# --- there and back ----------------------------------------------------------------------------------------------

_SHOWN = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=12)


@st.composite
def received(draw: st.DrawFn) -> Capture:
    """Anything that a server, a file or an enemy may have given."""
    body = draw(st.one_of(st.sampled_from([b"", b"a", b"\r\n\r\n", b"WARC/1.1\r\n\r\n"]), st.binary(max_size=40)))
    return Capture(
        sha256(body).hexdigest(),
        body,
        draw(_SHOWN),
        draw(st.datetimes(timezones=st.just(UTC), min_value=datetime(1000, 1, 1))),
        url=draw(_SHOWN),
        status=draw(st.sampled_from([0, 200, 404, 999, 10**9])),
        location=draw(_SHOWN),
        headers=draw(st.dictionaries(_SHOWN, _SHOWN, max_size=3)),
        archive=draw(_SHOWN),
        member=draw(_SHOWN),
        redacted=draw(st.booleans()),
    )


@given(st.lists(received(), max_size=5, unique_by=lambda c: (c.retrieved, c.url, c.sha256)))
@settings(max_examples=200)
def test_captures_come_back_exactly(captures: list[Capture]) -> None:
    """Whatever is in a capture, line ends and markers of the format too: what is read is what was written."""
    written = b"".join(
        r.written() for r in warc.records(captures, manifest(replace(FULL, captures=tuple(captures))))
    )
    assert read(written)
    again = list(warc.captures(warc.read(written, MOST)))
    assert sorted(again, key=repr) == sorted(captures, key=repr)
    assert list(warc.captures(warc.read(gzip.decompress(written), MOST))) == again


@given(st.integers(0, 10**9), st.binary(min_size=1, max_size=3))
@settings(max_examples=150)
def test_a_damaged_archive_is_told(at: int, new: bytes) -> None:
    """A WARC with other bytes in it is one sentence, or gives the same captures as before."""
    good = WARC.export(FULL)
    at %= len(good)
    bad = good[:at] + new + good[at + len(new) :]
    try:
        found = list(warc.captures(warc.read(bad, MOST)))
    except ParseError:
        pass
    else:
        assert sorted(found, key=repr) == sorted(FULL.captures, key=repr)


def test_a_bomb_is_not_unpacked() -> None:
    """An archive that is small packed and large unpacked is refused at the limit."""
    with pytest.raises(ParseError, match="larger than 1,000,000 bytes"):
        list(warc.read(gzip.compress(b"0" * 5_000_000), 1_000_000))


# --- what may not be shown ---------------------------------------------------------------------------------------


def everything(page: Page) -> bytes:
    """Return all that somebody could read in the archives of a page, unpacked."""
    return gzip.decompress(WARC.export(page)) + b"".join(
        gzip.decompress(data) if name.endswith(".gz") else data for name, data in parts(page).items()
    )


def test_a_text_that_is_gone_at_its_source_is_in_no_archive() -> None:
    """The capture that holds it is left out whole, and the manifest, the package and the record say so."""
    there, other = answer(), answer("https://other.example/", BODY.replace("піднялася".encode(), b"fell"), 1)
    thread = FULL.thread
    lost = thread.items[1]
    assert isinstance(lost, Post)
    stone = Tombstone(lost.id, "deleted", attributed_to=lost.attributed_to, checked=WHEN + timedelta(days=1))
    page = flow.page(replace(thread, items=(thread.items[0], stone, *thread.items[2:])), captures=(there, other))
    assert lost.content.encode() not in everything(page)
    assert lost.content.encode() in everything(FULL)
    told = manifest(page)
    assert [(one.captures, one.which) for one in told.left_out] == [(2, "with a post that is gone at its source")]
    assert [held.sha256 for held in told.captures] == [there.sha256, other.sha256]
    assert (
        "Left out: 2 captures with a post that is gone at its source."
        in json.loads(parts(page)["datapackage.json"])["description"]
    )
    assert read(WARC.export(page))[1][2].startswith(b"clew-left-out: with a post that is gone at its source")


@pytest.mark.parametrize(
    ("old", "new", "which"),
    [
        (b'"labels": []', b'"labels": [{"val": "!no-unauthenticated"}]', "logged in only"),
        (b'"thread"', b'"nothing"', "that no source here can read"),
    ],
)
def test_what_is_not_for_everybody_is_in_no_archive(old: bytes, new: bytes, which: str) -> None:
    """Posts for people who are logged in only, and what nobody here can read, are left out and named."""
    body = BODY.replace(old, new)
    assert body != BODY
    page = flow.page(FULL.thread, captures=(answer(body=body),))
    assert body not in everything(page)
    assert which in manifest(page).captures[0].left_out


def test_a_server_cannot_have_its_answer_left_out() -> None:
    """Our mark for what is left out does not count where a server sent it."""
    page = visited(answer(headers={"clew-left-out": "for no reason"}))
    assert not manifest(page).left_out
    assert read(WARC.export(page))[1][2] == BODY


def test_pictures_of_shown_posts_stay_and_others_go() -> None:
    """A picture is kept where a post that is shown has it, by its digest."""
    shown, hidden = (
        replace(answer(f"https://m.test/{n}", f"\x89PNG {n}".encode()), media_type="image/png") for n in (1, 2)
    )
    body = BODY.replace(b"https://cdn.example/nothing", b"")
    page = flow.page(FULL.thread, captures=(answer(body=body), shown, hidden))
    assert [one.which for one in manifest(page).left_out] == ["with a picture of no post that is shown"]


def test_a_redacted_capture_says_so() -> None:
    """What was taken out of an answer makes it no answer of the server: a conversion, with a note."""
    cut = replace(answer(body=b"{}"), sha256=sha256(BODY).hexdigest(), redacted=True)
    page = Page("t", FULL.thread, FULL.document, captures=(cut,))
    record = list(ArchiveIterator(io.BytesIO(WARC.export(page))))[1]
    assert record.rec_type == "conversion"
    assert record.rec_headers.get_header("Clew-Note") == "an author's text was removed from it"
    assert manifest(page).captures[0].note == "an author's text was removed from it"


def test_captures_that_were_not_given_are_missed() -> None:
    """An archive without the captures of its posts counts them as missing."""
    empty = Page("t", FULL.thread, FULL.document)
    assert [(one.captures, one.which) for one in manifest(empty).left_out] == [(1, "not kept here")]
    nothing = Thread("a", "b", (Tombstone("a"),), "longest", Certificate(0, "no", "Nothing."))
    assert manifest(Page("t", nothing, Document("a", "", (), ()))).left_out == ()


# --- the same bytes ----------------------------------------------------------------------------------------------

_WRITE = """
import sys
from hashlib import sha256
from clew import flow, store
from clew.plugins import exporters
with store.open(sys.argv[1]) as kept:
    for entry in sorted(kept.latest(100, listed_only=False), key=lambda entry: entry.key):
        thread, captures = kept.thread(entry.key), kept.captures(entry.key)
        for form in exporters():
            data = flow.export(thread, form.name, "https://clew.example/", captures)
            print(entry.key, form.name, sha256(data).hexdigest())
"""


def test_the_same_store_gives_the_same_bytes(tmp_path: Path) -> None:
    """Neither the time zone, nor the language, nor the seed of hashes, nor the hour is in a file of any format."""
    with store.open(tmp_path / "clew.db") as kept:
        for path in FILES[::4]:
            with reading.opened(path) as opened, suppress(Refused):
                flow.save(kept, opened, next(opened.threads()))
        threads = kept.count(listed_only=False)

    def written(zone: str, language: str, seed: str) -> str:
        environment = {"TZ": zone, "LC_ALL": language, "PYTHONHASHSEED": seed, "PATH": ""}
        command = [sys.executable, "-c", _WRITE, str(tmp_path / "clew.db")]
        return subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout

    first = written("UTC", "C.UTF-8", "1")
    assert first.count("\n") == len(exporters()) * threads > 0
    assert first == written("Asia/Kathmandu", "uk_UA.UTF-8", "77")


def test_a_page_does_not_depend_on_the_order_of_captures() -> None:
    """Captures given in another order, or twice, give the same archive."""
    forms: tuple[Callable[[Page], bytes], ...] = (WARC.export, WACZ.export)
    turned = replace(FULL, captures=(*reversed(FULL.captures), FULL.captures[0]))
    assert all(export(turned) == export(FULL) for export in forms)
