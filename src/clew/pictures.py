"""Our copies of a thread's pictures: what their bytes are, whatever somebody called them. Pure."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from struct import error, unpack_from

from clew.model import Page, Post
from clew.thread import every_item

MOST = 64 * 2**20
"""Bytes of all pictures together in one file."""
_PIXELS = 50_000_000
_PNG_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # JPEG markers that tell the size


@dataclass(frozen=True)
class Picture:
    """A copy that is a picture. ``sha256`` names it; ``width`` and ``height`` are pixels."""

    sha256: str
    media_type: str
    extension: str
    width: int
    height: int
    body: bytes

    @property
    def data(self) -> str:
        """The picture as a ``data:`` address."""
        return f"data:{self.media_type};base64,{b64encode(self.body).decode()}"


def pictures(
    page: Page, kinds: Iterable[str] = ("jpg", "png", "gif", "webp"), most: int = MOST
) -> dict[str, Picture]:
    """Return the pictures that the posts of a page show, by digest: of these kinds, in the thread's order, as many
    as fit into ``most`` bytes. What is not a picture, or has too many pixels, is not there."""
    bodies = {capture.sha256: capture.body for capture in page.captures if capture.body and not capture.redacted}
    found: dict[str, Picture] = {}
    for digest in dict.fromkeys(_digests(page)):
        shown = picture(digest, bodies.get(digest, b""))
        if shown and shown.extension in kinds and len(shown.body) <= most:
            found[digest] = shown
            most -= len(shown.body)
    return found


def picture(sha256: str, body: bytes) -> Picture | None:
    """Return what the bytes are, or None where their head is not that of a picture."""
    try:
        size = next((kind for kind in _sizes(body) if kind[2] > 0 and kind[3] > 0), None)
    except (IndexError, ValueError, error):
        return None
    if size is None or size[2] * size[3] > _PIXELS:
        return None
    return Picture(sha256, *size, body)


def _digests(page: Page) -> Iterator[str]:
    for item in every_item(page.thread):
        for attachment in item.attachments if isinstance(item, Post) else ():
            if attachment.type == "image" and attachment.sha256:
                yield attachment.sha256


def _sizes(body: bytes) -> Iterator[tuple[str, str, int, int]]:
    if body.startswith(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"):
        width, height, depth, colour, *rest = unpack_from(">IIBBBBB", body, 16)
        if depth in _PNG_DEPTHS.get(colour, ()) and rest[:2] == [0, 0] and rest[2] < 2:
            yield "image/png", "png", width, height
    elif body.startswith(b"\xff\xd8\xff"):
        yield "image/jpeg", "jpg", *_jpeg(body)
    elif body[:6] in (b"GIF87a", b"GIF89a"):
        yield "image/gif", "gif", *_gif(body)
    elif body[4:12] in (b"ftypavif", b"ftypavis"):
        yield "image/avif", "avif", *_avif(body)
    elif body[:4] == b"RIFF" and body[8:12] == b"WEBP":
        yield "image/webp", "webp", *_webp(body)


def _jpeg(body: bytes) -> tuple[int, int]:
    """Walk the segments up to the data; no size where they do not lead there."""
    at, size = 2, (0, 0)
    while body[at] == 0xFF:
        marker = body[at + 1]
        if marker == 0xDA:
            return size
        if marker == 0xFF:  # fill
            at += 1
            continue
        if marker in _FRAMES:
            height, width = unpack_from(">HH", body, at + 5)
            size = width, height
        at += 2 + max(2, *unpack_from(">H", body, at + 2))
    return 0, 0


def _gif(body: bytes) -> tuple[int, int]:
    """Walk the blocks up to the first image."""
    width, height, flags = unpack_from("<HHB", body, 6)
    at = 13 + (3 << ((flags & 7) + 1) if flags & 0x80 else 0)
    while body[at] == 0x21:
        at += 2
        while body[at]:
            at += 1 + body[at]
        at += 1
    return (width, height) if body[at] == 0x2C and len(body) > at + 10 else (0, 0)


def _avif(body: bytes) -> tuple[int, int]:
    """Return the first size that an item of the file tells."""
    at = body.index(b"ispe", 0, 4096)
    width, height = unpack_from(">II", body, at + 8)
    return width, height


def _webp(body: bytes) -> tuple[int, int]:
    kind = body[12:16]
    if kind == b"VP8 " and body[23:26] == b"\x9d\x01\x2a":
        width, height = unpack_from("<HH", body, 26)
        return width & 0x3FFF, height & 0x3FFF
    if kind == b"VP8L" and body[20] == 0x2F:
        (bits,) = unpack_from("<I", body, 21)
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8X":
        width, height = (int.from_bytes(body[at : at + 3], "little") + 1 for at in (24, 27))
        return (width, height) if len(body) >= 30 else (0, 0)
    return 0, 0
