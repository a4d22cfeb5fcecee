"""What captures prove: which of them may be shown, and whether an exported file holds.

``public`` leaves out the body of a capture in which somebody could read what is no longer shown. ``verify`` takes a
file apart as anybody could, and asks whether each post is what its capture says.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple
from zipfile import BadZipFile, ZipFile

import msgspec
from msgspec.structs import replace

from clew import stamps
from clew.config import GIB
from clew.dates import full
from clew.document import stitch, title
from clew.errors import InputError, ParseError, SourceError
from clew.exporters.data import load
from clew.fetch import SOURCE
from clew.manifest import LEFT_OUT, Held, Manifest, counted, hashed, left_out, manifest, tool
from clew.model import Actor, Capture, Page, Post, Thread, Tombstone
from clew.plugins import Source, exporters, sources
from clew.reading import derive, is_media, with_media
from clew.reading import told as found_in
from clew.thread import every_item
from clew.visiting import HIDDEN, Found, current, settled
from clew.warc import MANIFEST, Record, captures, read

_MOST = 2 * GIB
_GONE = "with a post that is gone at its source"
_PRIVATE = "with a post that is not public"
_BEHIND = "with a post whose author shows posts to people who are logged in only"
_NO_PICTURE = "with a picture of no post that is shown"
_UNREAD = "that no source here can read"


# --- which captures may be shown -------------------------------------------------------------------------------


def public(thread: Thread, received: Iterable[Capture]) -> tuple[Capture, ...]:
    """Return the captures of a thread as they may be given to anybody.

    The body of a capture is left out where it holds a post that is gone at its source, is not public, or is shown
    to people who are logged in only; and a picture where it belongs to no post that is shown. Such a capture says
    why in the header ``clew-left-out``. What was redacted stays redacted, and says so.
    """
    given = tuple(map(_unmarked, received))
    reasons = _reasons(thread, given) if given else {}
    return tuple(_left_out(c, reasons[c.sha256]) if c.sha256 in reasons else c for c in given)


def _unmarked(capture: Capture) -> Capture:
    """Return a capture without our own mark, which a server may have sent."""
    if LEFT_OUT not in capture.headers:
        return capture
    return replace(capture, headers={name: value for name, value in capture.headers.items() if name != LEFT_OUT})


def _left_out(capture: Capture, reason: str) -> Capture:
    return replace(capture, body=b"", redacted=True, headers={LEFT_OUT: reason})


def _reasons(thread: Thread, given: Sequence[Capture]) -> dict[str, str]:
    """Return why a capture may not be shown, by its digest."""
    shown = {item.id for item in every_item(thread) if isinstance(item, Post)}
    items = every_item(with_media(thread, given))
    pictures = {a.sha256 for item in items if isinstance(item, Post) for a in item.attachments}
    reasons = {c.sha256: _NO_PICTURE for c in given if is_media(c) and c.sha256 not in pictures}
    pages = [capture for capture in given if not is_media(capture)]
    _, values = _read_by(pages, shown)
    if not values and pages:
        return reasons | dict.fromkeys((page.sha256 for page in pages), _UNREAD)
    kept = set(map(id, settled(values, pages)))
    gone = {item.id for item in every_item(thread) if isinstance(item, Tombstone)}
    behind = {v.id for v in values if isinstance(v, Actor) and HIDDEN in v.restrictions}
    for value in values:
        if isinstance(value, Post) and (
            reason := _reason(value, gone if id(value) in kept else {value.id}, behind)
        ):
            reasons |= dict.fromkeys((value.capture, *value.also_from), reason)
    return reasons


def _reason(post: Post, gone: set[str], behind: set[str]) -> str:
    if post.id in gone:
        return _GONE
    if post.visibility == "private":
        return _PRIVATE
    return _BEHIND if post.attributed_to in behind else ""


def _read_by(pages: Sequence[Capture], wanted: set[str]) -> tuple[Source | None, list[Found]]:
    """Return the source that finds some of the wanted posts in these captures, and all that it finds."""
    own = [page for page in pages if SOURCE not in page.headers]  # the others are of posts that stand in a page
    for source in sources():
        if any(map(source.sniff, own)):
            try:
                values = list(found_in(source, current(pages)))
            except SourceError:
                continue
            if not wanted or any(isinstance(value, Post) and value.id in wanted for value in values):
                return source, values
    return None, []


# --- whether a file holds --------------------------------------------------------------------------------------


class Verdict(NamedTuple):
    """What was found of a file."""

    holds: bool
    sentence: str
    """What holds, or what does not."""


def verify(
    path: Path,
    against: Path | None = None,
    also: Iterable[Callable[[Page], bytes]] = (),
    authorities: Sequence[bytes] = (),
) -> Verdict:
    """Say whether an export is what it was when it was written.

    Args:
        path: JSON, WACZ or WARC, which are checked by what is in them; or, with ``against``, any other export.
        against: the JSON or WACZ of the same thread, from which the file is written again and compared.
        also: further ways to write a page than exporters ("html").
        authorities: certificates (PEM) of those whose time stamps are trusted; a stamp stands beside the file.

    Raises:
        InputError: it is no export, or cannot be read.
        ParseError: it is damaged.
    """
    data = _bytes(path)
    if against is not None:
        found = _compared(data, path, _page_of(_bytes(against), against), also)
    elif parts := _parts(data):
        found = _archive(parts)
    elif data.startswith((b"WARC/", b"\x1f\x8b")):
        found = _told(list(read(data, _MOST)))
    elif data.lstrip().startswith(b"{"):
        found = _json(data, path)
    else:
        hint = "Give the JSON or WACZ of the same thread with --against"
        raise InputError("Nothing in this file tells what it should be", str(path), hint)
    stamp = stamps.beside(path)
    return _stamped(found, data, _bytes(stamp), authorities) if stamp.exists() else found


def _stamped(found: Verdict, data: bytes, stamp: bytes, authorities: Sequence[bytes]) -> Verdict:
    """Add to a verdict what the time stamp beside the file tells."""
    if not authorities:
        told = "A time stamp stands beside it; whose it is was not looked at, since no authority was named."
        return Verdict(found.holds, f"{found.sentence} {told}")
    try:
        time = stamps.moment_of(data, stamp, authorities)
    except SourceError as error:
        return Verdict(False, f"{found.sentence} {error}")
    return Verdict(found.holds, f"{found.sentence} It existed, as it is, on {full(time)}, says the authority.")


def _bytes(path: Path) -> bytes:
    try:
        if path.stat().st_size > _MOST:
            raise InputError(f"This is larger than {_MOST:,} bytes", str(path))
        return path.read_bytes()
    except OSError as error:
        raise InputError("The file cannot be opened", str(path), error.strerror or "Check the path") from error


def _verdict(findings: Sequence[str], held: str) -> Verdict:
    if not findings:
        return Verdict(True, f"It holds: {held}.")
    more = f"; and {len(findings) - 3:,} more" if len(findings) > 3 else ""
    return Verdict(False, f"It does not hold: {'; '.join(findings[:3])}{more}.")


# --- JSON ---


def _json(data: bytes, path: Path) -> Verdict:
    page, told = _loaded(data, path)
    findings = [*_shown_wrongly(page), *_differences(manifest(page), told)]
    if page.title != told.title or page.base_url != told.page:
        findings.append("the title or the address is not that of the manifest")
    if told.tool == tool() and stitch(page.thread) != page.document:
        findings.append("the text is not what the posts give")
    posts = sum(bool(post.sha256) for post in told.posts)
    unseen = "whether they are what was received cannot be seen from this file, which has no captures"
    return _verdict(findings, f"the text and {counted(posts, 'post')} are those of the manifest; {unseen}")


def _loaded(data: bytes, path: Path) -> tuple[Page, Manifest]:
    try:
        told = msgspec.convert(msgspec.json.decode(data).get("manifest"), Manifest)
        return load(data), told
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, AttributeError) as error:
        raise ParseError(
            "This is not an export as Clew writes it", str(path), "Was it changed or cut off?"
        ) from error


def _shown_wrongly(page: Page) -> Iterator[str]:
    """Yield where the document does not show what the posts say."""
    posts = {item.id: item.content for item in every_item(page.thread) if isinstance(item, Post)}
    for span in page.document.spans:
        said = posts.get(span.source, "")[max(0, span.source_start) : max(0, span.source_end)]
        if span.type == "text" and page.document.text[max(0, span.start) : max(0, span.end)] != said:
            yield f"characters {span.start} to {span.end} are not those of post {span.source}"


def _differences(found: Manifest, told: Manifest) -> Iterator[str]:
    """Yield where what is here is not what the manifest tells: posts, the text, the certificate."""
    before = {post.id: post for post in told.posts}
    here = {post.id: post for post in found.posts}
    for id_ in dict.fromkeys((*before, *here)):
        if id_ not in here:
            yield f"post {id_} is not here"
        elif id_ not in before:
            yield f"post {id_} is not in the manifest"
        elif (here[id_].sha256, here[id_].role) != (before[id_].sha256, before[id_].role):
            yield f"post {id_} is not what the manifest tells of it"
    if found.text != told.text and found.tool == told.tool:
        yield "the text is not that of the manifest"
    if found.certificate != told.certificate:
        yield "the certificate is not that of the manifest"


# --- WACZ and WARC ---


def _parts(data: bytes) -> dict[str, bytes]:
    """Return the files of a WACZ; nothing where it is none."""
    if not data.startswith(b"PK"):
        return {}
    try:
        with ZipFile(io.BytesIO(data)) as zip_:
            if "datapackage.json" not in zip_.namelist():
                return {}
            if sum(info.file_size for info in zip_.infolist()) > _MOST:
                raise ParseError(f"Unpacked this is larger than {_MOST:,} bytes", "the archive")
            return {name: zip_.read(name) for name in zip_.namelist()}
    except (BadZipFile, EOFError, NotImplementedError, RuntimeError, OSError, zlib.error, ValueError) as error:
        raise ParseError("This zip is damaged", "the archive") from error


class _Resource(msgspec.Struct):
    path: str
    hash: str


class _Package(msgspec.Struct):
    resources: list[_Resource]


class _Digest(msgspec.Struct):
    hash: str


def _archive(parts: dict[str, bytes]) -> Verdict:
    try:
        package = msgspec.json.decode(parts["datapackage.json"], type=_Package)
        digest = msgspec.json.decode(parts["datapackage-digest.json"], type=_Digest).hash
        records = list(read(parts["archive/data.warc.gz"], _MOST))
    except (msgspec.MsgspecError, KeyError, UnicodeDecodeError) as error:
        raise ParseError("This is not a WACZ as Clew writes it", "the archive") from error
    except ParseError as error:
        return _verdict([f"{error.what[:1].lower()}{error.what[1:]} ({error.at})"], "")
    listed = {resource.path: resource.hash for resource in package.resources}
    listed["datapackage.json"] = digest
    rest = {path: data for path, data in parts.items() if path != "datapackage-digest.json"}
    findings = [
        f"the part {path} is not what the package says of it"
        for path in dict.fromkeys((*listed, *rest))
        if path not in rest or listed.get(path) != f"sha256:{sha256(rest[path]).hexdigest()}"
    ]
    if parts.get("clew/manifest.json", b"") not in _manifests(records):
        findings.append("its two manifests are not the same")
    return _verdict(findings, "") if findings else _told(records)


def _manifests(records: Iterable[Record]) -> list[bytes]:
    return [record.block for record in records if record.head.get("Content-Type") == MANIFEST]


def _opened(records: Sequence[Record]) -> tuple[Manifest, list[Capture]]:
    """Return the manifest and the captures of a WARC.

    Raises:
        InputError: it has no manifest.
        ParseError: it is not as Clew writes it.
    """
    manifests = _manifests(records)
    if not manifests:
        raise InputError("This WARC has no manifest of Clew", "", "Only what Clew exported can be verified")
    try:
        told = msgspec.json.decode(manifests[-1], type=Manifest)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ParseError("This is not a manifest as Clew writes it", "the archive") from error
    return told, list(captures(records))


def _told(records: Sequence[Record]) -> Verdict:
    told, held = _opened(records)
    absent = {post.captures[0] for post in told.posts if post.captures} - {c.sha256 for c in held if _is_here(c)}
    unseen = [post for post in told.posts if post.captures and post.captures[0] in absent]
    findings = [*_foreign(told, held), *_unlike(told, held, absent)]
    if not absent and not findings:
        findings += _differences(manifest(_page(told, held)), told)
    posts = sum(bool(post.sha256) for post in told.posts)
    bodies = len({capture.sha256 for capture in held if _is_here(capture)})
    parts = [
        f"{posts - len(unseen):,} of {counted(posts, 'post')} found, to the letter, in {counted(bodies, 'capture')}"
    ]
    parts += left_out(told)
    if any(capture.note for capture in told.captures):
        parts.append("from some captures an author's text was removed")
    return _verdict(findings, "; ".join(parts))


def _is_here(capture: Capture) -> bool:
    return LEFT_OUT not in capture.headers


def _foreign(told: Manifest, held: Iterable[Capture]) -> Iterator[str]:
    """Yield the captures that are not what was received, are missing, or are not in the manifest."""
    listed = {_place(one): one for one in told.captures}
    here = {_place(capture): capture for capture in held}
    for place in dict.fromkeys((*listed, *here)):
        name = place.url or place.member or place.sha256[:12]
        if place not in here:
            yield f"the capture of {name} is missing"
        elif place not in listed:
            yield f"the capture of {name} is not in the manifest"
        elif not here[place].redacted and sha256(here[place].body).hexdigest() != place.sha256:
            yield f"the capture of {name} is not what was received"
        elif here[place].redacted != bool(listed[place].note or listed[place].left_out):
            yield f"the capture of {name} is not as the manifest tells"


class _Place(NamedTuple):
    sha256: str
    url: str
    member: str
    retrieved: str


def _place(capture: Capture | Held) -> _Place:
    return _Place(capture.sha256, capture.url, capture.member, capture.retrieved.isoformat())


def _unlike(told: Manifest, held: Iterable[Capture], absent: set[str]) -> Iterator[str]:
    """Yield the posts that their captures do not say."""
    pages = [capture for capture in held if _is_here(capture) and not is_media(capture)]
    _, values = _read_by(pages, {post.id for post in told.posts if post.sha256})
    said = {(value.id, hashed(value.content)) for value in values if isinstance(value, Post)}
    for post in told.posts:
        if post.sha256 and (post.id, post.sha256) not in said and not absent.intersection(post.captures[:1]):
            yield f"post {post.id} is not what its capture says"


def _page(told: Manifest, held: Sequence[Capture]) -> Page:
    """Return the page that these captures give.

    Raises:
        ClewError: they give none.
    """
    asked = next((post.id for post in told.posts if post.role == "main" and post.sha256), told.thread)
    pages = [capture for capture in held if _is_here(capture)]
    source, _ = _read_by([capture for capture in pages if not is_media(capture)], {asked})
    if source is None:
        raise ParseError("No source knows what is in it", "the archive")
    thread = derive(source, pages, asked, told.rule)
    document = stitch(thread)
    return Page(title(thread, document), thread, document, told.page, tuple(held))


# --- any other export ------------------------------------------------------------------------------------------


def _page_of(data: bytes, path: Path) -> Page:
    """Return the page of a JSON or WACZ that holds."""
    parts = _parts(data)
    verdict = _archive(parts) if parts else _json(data, path)
    if not verdict.holds:
        raise InputError("What it is to be compared with does not hold itself", str(path), verdict.sentence)
    if not parts:
        return _loaded(data, path)[0]
    return _page(*_opened(list(read(parts["archive/data.warc.gz"], _MOST))))


def _compared(data: bytes, path: Path, page: Page, also: Iterable[Callable[[Page], bytes]]) -> Verdict:
    """Say whether a file is what is written now of a page, with its address or without."""
    fitting = [exporter.export for exporter in exporters() if path.name.endswith(exporter.suffix)]
    for write in (*(fitting or [exporter.export for exporter in exporters()]), *also):
        with suppress(InputError):  # a format that needs an extra
            if data in (write(page), write(replace(page, base_url=""))):
                return Verdict(True, f"It holds: it is, byte for byte, what {tool()} writes of this thread.")
    changed = "it was changed, or another version wrote it"
    return Verdict(False, f"It does not hold: it is not what {tool()} writes of this thread; {changed}.")
