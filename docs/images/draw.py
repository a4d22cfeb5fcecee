"""Draws the picture of the README from the example thread: ``python docs/images/draw.py``.

Left the text as it was pasted, right the page that Clew makes of the same thread. Needs chromium and
ImageMagick's ``convert``, which leaves as few colours as text needs.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from base64 import b64encode
from html import escape
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

import clew
from clew import pages

HERE = Path(__file__).parent
EXAMPLES = HERE.parents[1] / "examples"
POST = "at://did:plc:tidenotes3xmplewq4l2ro/app.bsky.feed.post/3riyk5xb5q222"
LEFT, RIGHT, HEIGHT, ROOM = 470, 980, 1290, 10

FRAME = """<!doctype html><meta charset="utf-8"><style>
  body {{ margin: 0; background: #e9e9ee; display: flex; gap: {room}px; padding: {room}px; }}
  div {{ height: {height}px; overflow: hidden; border-radius: 6px; background: #fff; }}
  pre {{ margin: 0; white-space: pre-wrap; color: #333;
         width: {left}px; box-sizing: border-box; padding: 22px; font: 14px/1.5 monospace; }}
  img {{ width: {right}px; display: block; }}
</style><div><pre>{text}</pre></div><div><img alt="" src="data:image/png;base64,{page}"></div>"""


def main() -> None:
    """Write before-after.png beside this file."""
    thread = clew.unroll(EXAMPLES / "harbour.json", post=POST)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = _shot(browser, pages.standalone(clew.page(thread)).decode(), RIGHT, HEIGHT)
        text = escape((EXAMPLES / "harbour-paste.txt").read_text("utf-8"))
        shown = b64encode(page).decode()
        frame = FRAME.format(left=LEFT, right=RIGHT, height=HEIGHT, room=ROOM, text=text, page=shown)
        picture = _shot(browser, frame, LEFT + RIGHT + 3 * ROOM, HEIGHT + 2 * ROOM)
        browser.close()
    fewer = ["convert", "png:-", "+dither", "-colors", "64", "-define", "png:compression-level=9", "PNG8:-"]
    picture = subprocess.run(fewer, input=picture, capture_output=True, check=True).stdout  # noqa: S603  our own list
    (HERE / "before-after.png").write_bytes(picture)
    print(f"{len(picture):,} bytes", file=sys.stderr)


def _shot(browser: Browser, html: str, width: int, height: int) -> bytes:
    tab = browser.new_page(viewport={"width": width, "height": height}, color_scheme="light")
    tab.set_content(html)
    return tab.screenshot()


if __name__ == "__main__":
    main()
