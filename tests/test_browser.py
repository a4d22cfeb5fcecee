"""The pages in a real browser: axe-core finds nothing, no script is needed, the keyboard gets everywhere."""

from __future__ import annotations

import json
import socket
import struct
import threading
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from clew import keeping, reading, site, store, web
from clew.refreshing import refresh
from clew.store import Store
from fediverse_servers import PICTURE, Instance, settings

ROOT = Path(__file__).parents[1]
AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
WIDTHS = (320, 390, 1280)


def picture() -> bytes:
    """A PNG of one red pixel."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(b"\0\xff\0\0"))
        + chunk(b"IEND", b"")
    )


def mastodon_archive(path: Path) -> None:
    """An archive with all a page can show: picture, warning, poll, other scripts, a long pause, a gap."""
    base, public = "https://moss.example/users/mila", ["https://www.w3.org/ns/activitystreams#Public"]

    def note(n: int, text: str, parent: int | None, day: str, **more: Any) -> dict[str, Any]:
        note = {"id": f"{base}/statuses/{n}", "type": "Note", "attributedTo": base, "content": text, "to": public}
        note |= {
            "published": f"2026-05-{day}T09:00:00Z",
            "inReplyTo": f"{base}/statuses/{parent}" if parent else None,
        }
        return {"id": f"{base}/a/{n}", "type": "Create", "actor": base, "to": public, "object": note | more}

    image = {"type": "Document", "mediaType": "image/png", "url": "/media_attachments/files/1.png", "width": 640,
             "height": 400, "name": "A red square, which stands for the tide"}  # fmt: skip
    bare = image | {"name": None, "url": "/media_attachments/files/gone.png"}
    poll = [{"type": "Note", "name": name, "replies": {"totalItems": n}} for name, n in (("Open", 3), ("Shut", 9))]
    notes = [
        note(1, "<p>What the <a href='https://example.org/log'>log</a> says, <b>in short</b></p>", None, "01",
             attachment=[image, bare]),
        note(2, "<blockquote><p>We regret it.</p></blockquote><ul><li>one</li><li>two</li></ul>", 1, "01"),
        note(3, "<p>Вода стояла п'ять годин. ‏مرحبا</p>", 2, "04", summary="Flooding", sensitive=True),
        note(5, "<p>Which was it?</p>", 4, "04", type="Question", oneOf=poll),
        note(6, "<p>A side remark</p>", 1, "02"),
    ]  # fmt: skip
    context = "https://www.w3.org/ns/activitystreams"
    outbox = {"@context": context, "type": "OrderedCollection", "orderedItems": notes}
    actor = {"@context": context, "id": base, "type": "Person", "preferredUsername": "mila", "name": "Mila Мох",
             "outbox": "outbox.json"}  # fmt: skip
    with zipfile.ZipFile(path, "w") as box:
        box.writestr("actor.json", json.dumps(actor))
        box.writestr("outbox.json", json.dumps(outbox))
        box.writestr("media_attachments/files/1.png", picture())


class Held(Instance):
    """A server that stops answering when its gate is shut."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = threading.Event()
        self.gate.set()

    def respond(self, target: str, accept: str, token: str) -> tuple[int, bytes, str]:
        self.gate.wait()
        return super().respond(target, accept, token)


@pytest.fixture(scope="module")
def remote() -> Iterator[Held]:
    with Held() as instance:
        try:
            yield instance
        finally:
            instance.gate.set()


def visited(kept: Store, remote: Instance) -> None:
    """Keep what a visit and a second look leave: a picture, edits, a post that is gone, a thread that is gone, and
    one whose end was out of reach."""
    remote.faults["/red.png"] = (200, PICTURE, "image/png")
    picture = {"type": "image", "url": f"{remote.base}/red.png", "description": "A red square", "meta": {}}
    lost, torn = remote.chain(2), remote.chain(3)
    cut = remote.post("A thread whose end is out of reach", media_attachments=[picture | {"id": "1"}])
    remote.edit(torn[0], "Part one, as it was meant")
    remote.edit(torn[0], "Part one, as it was always meant to be")
    remote.faults[f"/api/v1/statuses/{cut}/context"] = (500, b"{}", "application/json")
    keys = []
    for head in (lost[0], torn[0], cut):
        with reading.opened(remote.address(head), config=settings(attempts=1), media=True) as opened:
            keys.append(keeping.save(kept, opened, opened.one()))
    for id_ in (*lost, torn[1]):
        remote.delete(id_)
    for key in keys[:2]:
        refresh(kept, key, settings())


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory, remote: Held) -> Iterator[tuple[str, list[str]]]:
    """A served site with every kind of page, and the paths of its pages."""
    folder = tmp_path_factory.mktemp("site")
    mastodon_archive(folder / "archive.zip")
    with store.open(folder / "store.db") as kept, socket.create_server(("127.0.0.1", 0)) as listener:
        for given in (ROOT / "examples/harbour.json", ROOT / "examples/harbour-paste.txt", folder / "archive.zip"):
            with reading.opened(given) as opened:
                for thread in opened.threads():
                    keeping.save(kept, opened, thread)
        visited(kept, remote)
        server = web.server(web.app(kept, settings(read=3600, whole=3600, attempts=1)))
        running = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        running.start()
        try:
            paths = [path for path in site.paths(kept) if path.endswith("/")]
            yield (
                f"http://127.0.0.1:{listener.getsockname()[1]}",
                [*paths, "/unroll/", "/nothing/", "/search/", "/search/?q=harbour", "/search/?q=zzz"],
            )
        finally:
            server.should_exit = True
            running.join(timeout=30)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if not Path("/usr/bin/chromium").exists() or not AXE.exists():
        pytest.skip("needs Debian's chromium and npm's axe-core: make test installs both")
    with sync_playwright() as playwright:
        options = ["--no-sandbox", "--disable-quic", "--no-first-run", "--disable-background-networking"]
        opened = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=options)
        yield opened
        opened.close()


def violations(page: Page) -> list[str]:
    page.add_script_tag(content=AXE.read_text("utf-8"))
    found = page.evaluate("axe.run(document).then(r => r.violations)")
    return [f"{v['id']}: {node['html'][:200]}" for v in found for node in v["nodes"]]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_axe_finds_nothing(browser: Browser, address: tuple[str, list[str]], width: int, scheme: Any) -> None:
    """No page of any kind has a fault that axe-core knows, with folded parts open, nor scrolls sideways."""
    base, paths = address
    context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 900}, bypass_csp=True)
    page = context.new_page()
    for path in paths:
        page.goto(base + path)
        assert_is_sound(page, path)
    context.close()


def assert_is_sound(page: Page, path: str) -> None:
    page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true })")
    assert violations(page) == [], path
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), path


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_while_a_thread_is_fetched_nor_when_that_fails(
    browser: Browser, address: tuple[str, list[str]], remote: Held, scheme: Any
) -> None:
    """The page that waits, and the form that comes back with what was wrong, are sound on a phone too."""
    remote.gate.clear()
    context = browser.new_context(color_scheme=scheme, viewport={"width": 320, "height": 700}, bypass_csp=True)
    page = context.new_page()
    page.goto(address[0] + "/unroll/")
    page.get_by_label("Its address, or its text").fill(f"{remote.base}/@ada/{'9' * 80}")
    page.get_by_role("button", name="Unroll and save").click()
    page.get_by_role("link", name="Stay as it is").click()
    assert_is_sound(page, "the page that waits")
    remote.gate.set()
    page.get_by_role("link", name="Look by itself").click()
    page.get_by_role("alert").wait_for()  # it looked again by itself, until there was an error to show
    assert_is_sound(page, "the form with what was wrong")
    context.close()


def test_an_address_leads_to_its_thread_without_a_script(
    browser: Browser, address: tuple[str, list[str]], remote: Held
) -> None:
    """With scripts off, the page that waits looks again by itself and becomes the thread."""
    remote.gate.clear()
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(address[0] + "/unroll/")
    page.get_by_label("Its address, or its text").fill(remote.address(remote.post("Found by its address")))
    page.get_by_role("button", name="Unroll and save").click()
    page.get_by_role("heading", name="Fetching the thread").wait_for()
    remote.gate.set()
    page.wait_for_url("**/t/*/")
    assert page.locator("article").inner_text().count("Found by its address") >= 1
    context.close()


def test_versions_stand_side_by_side_where_there_is_room(browser: Browser, address: tuple[str, list[str]]) -> None:
    """Two columns on a wide screen, one below the other on a phone; changes are struck through or underlined."""
    base, paths = address
    for width, columns in ((1280, 2), (390, 1)):
        context = browser.new_context(viewport={"width": width, "height": 900})
        page = context.new_page()
        for path in paths:
            page.goto(base + path)
            if page.locator(".edits").count():
                break
        page.locator(".edits summary").first.click()
        pair = page.locator(".edit").first
        left = {pair.locator("> div").nth(n).bounding_box()["x"] for n in (0, 1)}  # type: ignore[index]
        assert len(left) == columns
        line = "el => getComputedStyle(el).textDecorationLine"
        assert pair.locator("del").first.evaluate(line) == "line-through"
        assert pair.locator("ins").first.evaluate(line) == "underline"
        context.close()


def test_axe_would_find_a_fault(browser: Browser, address: tuple[str, list[str]]) -> None:
    """The judge is awake: a picture without a description is found."""
    context = browser.new_context(bypass_csp=True)
    page = context.new_page()
    page.goto(address[0] + "/")
    page.evaluate("document.querySelector('main').append(document.createElement('img'))")
    assert any(fault.startswith("image-alt") for fault in violations(page))
    context.close()


def test_reading_needs_no_script_and_no_third_party(browser: Browser, address: tuple[str, list[str]]) -> None:
    """With scripts off, a reader opens a thread from the contents, goes to a post, and to "as posted"."""
    base, _ = address
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(base + "/")
    page.get_by_role("link", name="What the log says, in short").first.click()
    assert page.locator("article").inner_text().count("What the log says") >= 1
    assert page.locator("img[alt='A red square, which stands for the tide']").count() == 1
    assert page.locator("summary", has_text="Flooding").count() == 1
    page.locator("a[href='#p2']").first.click()
    assert page.url.endswith("#p2")
    page.get_by_role("link", name="As posted").click()
    assert "posted/" in page.url
    assert all(url.startswith(base) for url in asked), asked
    context.close()


def test_the_keyboard_gets_everywhere(browser: Browser, address: tuple[str, list[str]]) -> None:
    """The first Tab offers to skip to the text; further ones reach the navigation, and the focus can be seen."""
    base, paths = address
    context = browser.new_context()
    page = context.new_page()
    page.goto(base + next(path for path in paths if path.startswith("/t/")))
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.getAttribute('href')") == "#main"
    page.keyboard.press("Enter")
    assert page.url.endswith("#main")
    seen = []
    for _ in range(12):
        page.keyboard.press("Tab")
        seen.append(page.evaluate("getComputedStyle(document.activeElement).outlineStyle"))
    assert set(seen) != {"none"}
    context.close()
