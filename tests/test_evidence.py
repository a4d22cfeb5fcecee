"""The manifest, and whether an exported file holds: by what is in it, or written again from another export."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from clew import evidence, flow, pages, reading
from clew.errors import ClewError, InputError, ParseError
from clew.evidence import Verdict, verify
from clew.exporters.data import EXPORTER as DATA
from clew.exporters.manifest import EXPORTER as MANIFEST
from clew.exporters.wacz import EXPORTER as WACZ
from clew.exporters.warc import EXPORTER as WARC
from clew.manifest import Manifest, hashed, manifest
from clew.model import Capture, Page, Post, Tombstone
from clew.plugins import exporters

CASES = Path(__file__).parent / "cases"
FILES = sorted([*CASES.glob("*/*/capture.*"), *CASES.glob("*/*/archive")])
BODY = (CASES / "bluesky/thread_v2/capture.json").read_bytes()
WHEN = datetime(2031, 5, 1, 12, tzinfo=UTC)


def answer(body: bytes = BODY, url: str = "https://api.example/thread", status: int = 200) -> Capture:
    return Capture(sha256(body).hexdigest(), body, "application/json", WHEN, url=url, status=status)


MORE = answer(b'{"error":"NotFound"}', "https://api.example/more", 404)


def page_of(*captures: Capture) -> Page:
    source = reading.source_of(captures[0])
    thread = reading.derive(source, captures, source.anchor(captures[0]), "longest")
    return flow.page(thread, "https://clew.example/t/x/", captures)


PAGE = page_of(answer(), MORE)
FORMS: dict[str, Callable[[Page], bytes]] = {"json": DATA.export, "wacz": WACZ.export, "warc.gz": WARC.export}


def written(folder: Path, data: bytes, name: str = "thread.x") -> Path:
    (folder / name).write_bytes(data)
    return folder / name


# --- the manifest ------------------------------------------------------------------------------------------------


def test_a_manifest_has_the_hash_of_everything() -> None:
    """It names each post with the hash of its words, the hash of the text, each capture, and the certificate."""
    told = msgspec.json.decode(MANIFEST.export(PAGE), type=Manifest)
    contents = {item.id: item.content for item in PAGE.thread.items if isinstance(item, Post)}
    assert {post.id: post.sha256 for post in told.posts} == {
        id_: sha256(content.encode()).hexdigest() for id_, content in contents.items()
    }
    assert told.text == sha256(PAGE.document.text.encode()).hexdigest()
    facts = [(c.sha256, c.url, c.retrieved, c.status) for c in told.captures]
    assert facts == [(c.sha256, c.url, c.retrieved, c.status) for c in (MORE, answer())]
    assert (told.certificate, told.rule, told.thread) == (PAGE.thread.certificate, "longest", PAGE.thread.id)
    assert told.tool.startswith("Clew/")
    assert not any(
        content in MANIFEST.export(PAGE).decode() for content in contents.values() if content != PAGE.title
    )


def test_a_missing_post_is_in_the_manifest_with_its_reason() -> None:
    """A tombstone has no hash, and says why the post is not here."""
    stone = Tombstone("p1", "deleted")
    told = manifest(replace(PAGE, thread=replace(PAGE.thread, items=(stone,))))
    assert [(post.id, post.reason, post.sha256) for post in told.posts] == [("p1", "deleted", "")]


# --- what holds --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("path", FILES, ids=lambda path: "/".join(path.parts[-3:-1]))
def test_every_export_holds(path: Path, form: str, tmp_path: Path) -> None:
    """Of every kind of source: what was just exported holds, and one sentence says what that means."""
    with reading.opened(path) as opened:
        for thread in opened.threads():
            page = flow.page(thread, "", opened.captures(thread))
            found = verify(written(tmp_path, FORMS[form](page)))
            assert found.holds, found
            assert found.sentence.count("\n") == 0


def test_a_verdict_says_what_was_compared(tmp_path: Path) -> None:
    """It counts posts and captures; of JSON, which has no captures, it does not claim what cannot be seen."""
    whole = verify(written(tmp_path, WACZ.export(PAGE)))
    assert whole == Verdict(True, "It holds: 3 of 3 posts found, to the letter, in 2 captures.")
    assert "cannot be seen from this file" in verify(written(tmp_path, DATA.export(PAGE))).sentence


def test_what_is_left_out_is_said(tmp_path: Path) -> None:
    """Where a capture is left out its posts are not counted as found, and the verdict says why."""
    lost = PAGE.thread.items[1]
    stone = Tombstone(lost.id, "deleted", attributed_to=lost.attributed_to, checked=WHEN + timedelta(days=1))
    thread = replace(PAGE.thread, items=(PAGE.thread.items[0], stone, *PAGE.thread.items[2:]))
    found = verify(written(tmp_path, WACZ.export(flow.page(thread, captures=PAGE.captures))))
    assert found == Verdict(
        True,
        "It holds: 0 of 2 posts found, to the letter, in 1 capture; "
        "left out: 1 capture with a post that is gone at its source.",
    )


# --- what does not -----------------------------------------------------------------------------------------------


def test_json_that_was_changed_does_not_hold(tmp_path: Path) -> None:
    """A changed word, certificate, title, span or hash is found, wherever in the file it is."""
    good = json.loads(DATA.export(PAGE))

    def changed(*path: Any, value: Any) -> str:
        edited = json.loads(json.dumps(good))
        inner = edited
        for key in path[:-1]:
            inner = inner[key]
        inner[path[-1]] = value
        found = verify(written(tmp_path, json.dumps(edited).encode()))
        assert not found.holds
        return found.sentence

    first = PAGE.thread.items[0].id
    assert f"post {first} is not what the manifest tells" in changed("thread", "items", 0, "content", value="Other")
    assert "the text is not" in changed("document", "text", value=PAGE.document.text + "!")
    assert "not those of post" in changed("document", "spans", 0, "source_end", value=2)
    assert "certificate" in changed("thread", "certificate", "sentence", value="All is here.")
    assert "title" in changed("title", value="Another")
    assert "not what the manifest" in changed("manifest", "posts", 0, "sha256", value="0" * 64)
    assert "is not in the manifest" in changed("manifest", "posts", value=good["manifest"]["posts"][1:])
    assert "is not here" in changed("thread", "items", value=good["thread"]["items"][:2])


def repacked(parts: dict[str, bytes]) -> bytes:
    """Return a WACZ of these parts whose package lists them rightly: whoever changes one can do that."""
    resources = [
        {
            "name": name.rpartition("/")[2],
            "path": name,
            "hash": f"sha256:{sha256(data).hexdigest()}",
            "bytes": len(data),
        }
        for name, data in parts.items()
        if not name.startswith("datapackage")
    ]
    package = json.dumps(json.loads(parts["datapackage.json"]) | {"resources": resources}).encode()
    digest = {"path": "datapackage.json", "hash": f"sha256:{sha256(package).hexdigest()}"}
    out = io.BytesIO()
    with ZipFile(out, "w") as zip_:
        for name, data in (parts | {"datapackage.json": package}).items():
            zip_.writestr(name, json.dumps(digest) if name == "datapackage-digest.json" else data)
    return out.getvalue()


def test_a_forged_capture_does_not_hold(tmp_path: Path) -> None:
    """A WACZ of other words under the old manifest is found out, though each digest in it was made anew."""
    forged = page_of(answer(BODY.replace("12 см".encode(), "99 см".encode())), MORE)
    true = manifest(PAGE)
    from clew.manifest import encoded
    from clew.warc import records

    warc = b"".join(record.written() for record in records(forged.captures, true))
    with ZipFile(io.BytesIO(WACZ.export(PAGE))) as zip_:
        parts = {name: zip_.read(name) for name in zip_.namelist()}
    parts |= {"archive/data.warc.gz": warc, "clew/manifest.json": encoded(true)}
    found = verify(written(tmp_path, repacked(parts)))
    assert not found.holds
    assert "is missing" in found.sentence
    assert not verify(written(tmp_path, warc)).holds
    assert verify(written(tmp_path, repacked({**parts, "archive/data.warc.gz": WARC.export(PAGE)}))).holds


def test_a_certificate_that_does_not_follow_does_not_hold(tmp_path: Path) -> None:
    """True captures under a manifest that claims another text or certificate are found out."""
    claimed = replace(PAGE.thread.certificate, sentence="300 posts, complete.")
    bold = replace(PAGE, thread=replace(PAGE.thread, certificate=claimed))
    other = replace(PAGE, document=replace(PAGE.document, text="Something else"))
    for page, what in ((bold, "the certificate"), (other, "the text")):
        found = verify(written(tmp_path, WACZ.export(page)))
        assert found.sentence == f"It does not hold: {what} is not that of the manifest."


def test_each_part_of_a_wacz_is_looked_at(tmp_path: Path) -> None:
    """A part that was changed, taken away or added is named."""
    with ZipFile(io.BytesIO(WACZ.export(PAGE))) as zip_:
        parts = {name: zip_.read(name) for name in zip_.namelist()}

    def zipped(changed: dict[str, bytes]) -> bytes:
        out = io.BytesIO()
        with ZipFile(out, "w") as zip_:
            for name, data in changed.items():
                zip_.writestr(name, data)
        return out.getvalue()

    for name in parts:
        if name not in ("archive/data.warc.gz", "datapackage.json", "datapackage-digest.json"):
            found = verify(written(tmp_path, zipped(parts | {name: b"else"})))
            assert found.sentence.startswith(
                f"It does not hold: the part {name} is not what the package says of it"
            )
            assert not verify(written(tmp_path, zipped({k: v for k, v in parts.items() if k != name}))).holds
    assert not verify(written(tmp_path, zipped(parts | {"more/file.txt": b"x"}))).holds
    other = repacked(parts | {"clew/manifest.json": MANIFEST.export(replace(PAGE, title="Other"))})
    assert "two manifests" in verify(written(tmp_path, other)).sentence


@given(st.integers(0, 10**6), st.binary(min_size=1, max_size=3), st.sampled_from(sorted(FORMS)))
@settings(max_examples=150)
def test_a_damaged_file_is_a_verdict_or_one_sentence(at: int, new: bytes, form: str) -> None:
    """Whatever bytes are damaged: no error but a ClewError comes out, and no changed word is taken for good."""
    import tempfile

    good = FORMS[form](PAGE)
    at %= len(good)
    bad = good[:at] + new + good[at + len(new) :]
    with tempfile.TemporaryDirectory() as folder:
        try:
            found = verify(written(Path(folder), bad))
        except ClewError:
            return
    if found.holds and form == "json":
        page, told = evidence._loaded(bad, Path())
        assert [hashed(i.content) for i in page.thread.items if isinstance(i, Post)] == [
            p.sha256 for p in told.posts
        ]


# --- against another export --------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", [exporter.name for exporter in exporters()])
def test_any_export_is_compared_with_a_wacz(form: str, tmp_path: Path) -> None:
    """A text or a book has no evidence in it: written again from the archive it is the same bytes, or not."""
    exporter = next(exporter for exporter in exporters() if exporter.name == form)
    archive = written(tmp_path, WACZ.export(PAGE), "thread.wacz")
    file = written(tmp_path, exporter.export(PAGE), f"a{exporter.suffix}")
    assert verify(file, archive).holds
    file.write_bytes(file.read_bytes() + b"\n")
    found = verify(file, archive)
    assert not found.holds
    assert "changed" in found.sentence


def test_a_text_is_compared_with_a_json(tmp_path: Path) -> None:
    """The JSON of a thread is enough for what shows no captures; HTML too, where its writer is given."""
    lone = replace(PAGE, base_url="")
    against = written(tmp_path, DATA.export(PAGE), "thread.json")
    assert verify(written(tmp_path, flow.export(PAGE.thread, "markdown"), "a.md"), against).holds
    html = written(tmp_path, pages.standalone(lone), "a.html")
    assert not verify(html, against).holds
    assert verify(html, against, [pages.standalone]).holds


def test_what_tells_nothing_is_refused(tmp_path: Path) -> None:
    """A text alone, somebody else's archive, and a broken comparison are errors that say what to do."""
    with pytest.raises(InputError, match="--against"):
        verify(written(tmp_path, b"Some text"))
    with pytest.raises(InputError, match="no manifest"):
        verify(written(tmp_path, gzip.compress(b"WARC/1.1\r\nContent-Length: 0\r\n\r\n\r\n\r\n")))
    with pytest.raises(InputError, match="cannot be opened"):
        verify(tmp_path / "none")
    with pytest.raises(ParseError):
        verify(written(tmp_path, b'{"@type": "clew:Page"}'))
    broken = written(tmp_path, DATA.export(replace(PAGE, title="x")).replace(b'"x"', b'"y"', 1), "t.json")
    with pytest.raises(InputError, match="does not hold itself"):
        verify(written(tmp_path, b"x", "a.md"), broken)
