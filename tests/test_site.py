"""The site: every address answers, private threads have none, and a folder of it is kept as it should be."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import pytest
from msgspec.structs import replace
from selectolax.lexbor import LexborHTMLParser

import clew.store
from clew import captures, flow, keeping, site
from clew.config import Config, Site
from clew.errors import InputError
from clew.model import Actor, Attachment, Capture, Certificate, Post, Thread
from clew.store import Store

DAY = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
ADA = Actor("https://social.example/users/ada", "Ada Merrow", "ada", "https://social.example/@ada")
CONFIG = Config(site=Site(base_url="https://read.example", about="Kept for reading."))
PASTE = "The tide came early. 1/3\nNobody was at the gate 2/3\nand the bell was out of order. 3/3\n"
PICTURE = b"\xff\xd8\xff\xe0 not much of a picture"


def capture(body: bytes = b"{}", media_type: str = "application/json") -> Capture:
    return Capture(sha256(body).hexdigest(), body, media_type, DAY)


def put(store: Store, name: str, *, days: int = 0, **fields: Any) -> str:
    """Keep a thread of one post of Ada's, and return its key."""
    picture = capture(PICTURE, "image/jpeg")
    attachment = Attachment("image", "media/1.jpg", "image/jpeg", alt="The gate", sha256=picture.sha256)
    post = Post(
        f"https://social.example/{name}",
        ADA.id,
        f"Words of {name}.",
        DAY + timedelta(days=days),
        capture().sha256,
        attachments=(attachment,),
        **fields,
    )
    whole = Certificate(1, "yes", "All of it is here.")
    thread = Thread(post.id, ADA.id, (post,), "longest", whole, actors=(ADA,))
    with store.writing() as writer:
        writer.put_captures([capture(), picture])
        return writer.put_thread(
            thread, title=name, source="fediverse", post=post.id, captures=[capture(), picture]
        )


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with clew.store.open(tmp_path / "clew.db") as opened:
        yield opened


def kept(store: Store, text: str = PASTE, author: str = "@tides") -> str:
    with flow.opened(captures.paste(text, author=author)) as reading:
        return keeping.save(store, reading, reading.one())


def get(store: Store, path: str) -> site.Answer:
    return site.render(store, CONFIG.site, path)


def links(html: bytes, path: str) -> set[str]:
    """The addresses on this site that a page at ``path`` leads to or loads."""
    parsed = LexborHTMLParser(html.decode())
    given = [
        node.attributes.get("href") or node.attributes.get("src") or "" for node in parsed.css("[href], [src]")
    ]
    return {urljoin(path, re.sub("#.*", "", link)) for link in given if not re.match(r"[a-z]+:|#", link)}


def test_every_link_of_every_page_leads_to_an_address_of_the_site(store: Store) -> None:
    kept(store)
    for n in range(site.PER_PAGE + 1):
        put(store, f"n{n}", days=n)
    known = set(site.paths(store))
    assert {"/", "/page/2/", "/about/"} <= known
    for path in known:
        answer = get(store, path)
        assert answer.status == 200, path
        if answer.media_type.startswith("text/html"):
            assert links(answer.body, path) <= known, path


def test_addresses_are_yielded_once(store: Store) -> None:
    put(store, "one")
    put(store, "two")
    listed = list(site.paths(store))
    assert len(listed) == len(set(listed))
    assert f"/media/{sha256(PICTURE).hexdigest()}.jpg" in listed


def test_an_unlisted_thread_has_an_address_and_no_mention(store: Store) -> None:
    key = put(store, "quiet", visibility="unlisted")
    assert get(store, f"/t/{key}/").status == 200
    assert b"quiet" not in get(store, "/").body
    author = next(path for path in site.paths(store) if path.startswith("/a/"))
    assert get(store, author).status == 200
    assert b"quiet" not in get(store, author).body


def test_a_private_thread_has_no_address(store: Store) -> None:
    key = put(store, "secret", visibility="private")
    assert not [path for path in site.paths(store) if re.match("/[tam]", path) and path != "/about/"]
    for path in (f"/t/{key}/", f"/t/{key}/posted/", f"/t/{key}/thread.txt"):
        answer = get(store, path)
        assert (answer.status, b"secret" in answer.body.replace(path.encode(), b"")) == (404, False)


@pytest.mark.parametrize(
    "path",
    [
        "/nothing/", "/t/abcdefghijkl/", "/t/../../etc/passwd", "/page/1/", "/page/9/", "/page/999999999/",
        "/a/abcdefghijkl/", "/static/../pages.py", "/static/none.css", "/media/x.jpg", "/\x00\u202e",
        f"/media/{'0' * 64}.jpg", f"/media/{sha256(b'{}').hexdigest()}.json", "//", "/" * 3000,
    ],
)  # fmt: skip
def test_what_is_not_there_is_said_to_be_not_there(store: Store, path: str) -> None:
    put(store, "one")
    assert get(store, path).status == 404


def test_an_address_without_its_last_stroke_leads_to_the_page(store: Store) -> None:
    key = put(store, "one")
    answer = get(store, f"/t/{key}")
    assert (answer.status, urljoin(f"/t/{key}", answer.location)) == (308, f"/t/{key}/")


def test_the_old_address_of_a_thread_that_grew_upwards_leads_to_the_new(store: Store) -> None:
    key = put(store, "head")
    with store.writing() as writer:
        writer.alias("https://social.example/tail", "https://social.example/head")
    old = clew.text.key("https://social.example/tail")
    for rest in ("", "posted/", "thread.txt"):
        answer = get(store, f"/t/{old}/{rest}")
        assert urljoin(f"/t/{old}/{rest}", answer.location) == f"/t/{key}/{rest}"


# --- build ---------------------------------------------------------------------------------------------------


def files_in(directory: Path) -> dict[str, bytes]:
    found = (path for path in directory.rglob("*") if path.is_file())
    return {path.relative_to(directory).as_posix(): path.read_bytes() for path in found}


def test_build_writes_the_bytes_that_are_served(store: Store, tmp_path: Path) -> None:
    kept(store)
    put(store, "one")
    count = site.build(store, CONFIG, tmp_path / "out")
    built = files_in(tmp_path / "out")
    del built[site.MANIFEST]
    served = {
        path[1:] + ("index.html" if path.endswith("/") else ""): get(store, path).body for path in site.paths(store)
    }
    assert built == served
    assert count == len(built)


def test_building_again_changes_nothing_and_a_dropped_thread_goes(store: Store, tmp_path: Path) -> None:
    out = tmp_path / "out"
    kept(store)
    key = put(store, "one")
    site.build(store, CONFIG, out)
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*") if path.is_file()}
    site.build(store, CONFIG, out)
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*") if path.is_file()} == before
    (out / "mine.txt").write_text("by hand")
    with store.writing() as writer:
        writer.drop_thread("https://social.example/one")
    site.build(store, CONFIG, out)
    assert not (out / "t" / key).exists()
    assert not (out / "media").exists()
    assert (out / "mine.txt").exists()


def test_a_folder_of_something_else_is_refused_and_left_alone(store: Store, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("years of work")
    with pytest.raises(InputError, match="not empty"):
        site.build(store, CONFIG, tmp_path / "out")
    assert files_in(tmp_path / "out") == {"thesis.txt": b"years of work"}


def test_a_list_of_files_cannot_make_a_build_remove_others(store: Store, tmp_path: Path) -> None:
    out = tmp_path / "out"
    site.build(store, CONFIG, out)
    (tmp_path / "thesis.txt").write_text("years of work")
    (out / "notes.txt").write_text("mine")
    listed = json.loads((out / site.MANIFEST).read_bytes())
    (out / site.MANIFEST).write_text(
        json.dumps([*listed, "../thesis.txt", "notes.txt", str(tmp_path / "thesis.txt")])
    )
    site.build(store, CONFIG, out)
    assert (tmp_path / "thesis.txt").exists()
    assert (out / "notes.txt").exists()


def test_what_an_interrupted_build_left_goes_with_its_thread(store: Store, tmp_path: Path) -> None:
    out = tmp_path / "out"
    put(store, "one")

    def interrupt(done: int) -> None:
        if done == 8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        site.build(store, CONFIG, out, progress=interrupt)
    assert [path for path in files_in(out) if path.startswith("t/")]
    with store.writing() as writer:
        writer.drop_thread("https://social.example/one")
    site.build(store, CONFIG, out)
    assert not [path for path in files_in(out) if path.startswith(("t/", "media/"))]


def test_a_folder_that_cannot_be_written_is_a_sentence(store: Store, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        site.build(store, CONFIG, tmp_path / "file" / "out")


def test_forgetting_cleans_what_was_built_and_exported(store: Store, tmp_path: Path) -> None:
    key = kept(store, author="@tides")
    other = kept(store, PASTE.replace("tide", "train"), author="@rails")
    site.build(store, CONFIG, tmp_path / "out")
    export = tmp_path / "thread.md"
    export.write_bytes(get(store, f"/t/{key}/thread.md").body)
    with store.writing() as writer:
        writer.put_output(str(export), f"export {sha256(export.read_bytes()).hexdigest()}", [store.entry(key).id])
    done = keeping.forget(store, store.entry(key).actor.id, "a test")
    cleaned = site.sweep(store, CONFIG, done)
    assert sorted(cleaned) == sorted([str(tmp_path / "out"), str(export)])
    assert not export.exists()
    assert (tmp_path / "out" / "t" / other / "index.html").exists()
    assert not [path for path, body in files_in(tmp_path).items() if b"The tide came" in body]


def test_a_citation_names_the_sites_own_address(store: Store) -> None:
    key = kept(store)
    assert f"Copy: https://read.example/t/{key}/." in get(store, f"/t/{key}/").body.decode()
    alone = site.render(store, replace(CONFIG.site, base_url=""), f"/t/{key}/")
    assert b"Copy:" not in alone.body
