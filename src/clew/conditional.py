"""How a body is sent: with a tag to ask by whether it changed, and compressed where that helps. Pure."""

from __future__ import annotations

import gzip
import re
from collections.abc import Mapping
from hashlib import sha256

from starlette.requests import Request
from starlette.responses import Response

_SMALL = 1000  # bytes below which compressing is not worth it
_LEVEL = 6
_TEXT = re.compile(r"text/|image/svg|application/(?:[a-z0-9.-]+\+)?(?:json|xml)|application/x-bibtex")
_OF_BODY = ("content-length", "content-type", "content-encoding")
_NOTHING: Mapping[str, str] = {}


def conditional(
    request: Request, body: bytes, media_type: str, status: int = 200, headers: Mapping[str, str] = _NOTHING
) -> Response:
    """Return the answer, or that it is what the reader has already."""
    return unless_had(request, whole(body, media_type, status, headers, packed=takes_gzip(request)))


def whole(
    body: bytes, media_type: str, status: int = 200, headers: Mapping[str, str] = _NOTHING, *, packed: bool = False
) -> Response:
    """Return the answer with its tag, compressed where it is ``packed`` and that helps."""
    digest = sha256(body).hexdigest()[:32]
    text = bool(_TEXT.match(media_type))
    packed = packed and text and len(body) >= _SMALL
    # A strong tag names the bytes that are sent, so what is compressed has another one.
    told = {**headers, "etag": f'"{digest}-gzip"' if packed else f'"{digest}"'}
    told.setdefault("cache-control", "no-cache")
    if text:
        told["vary"] = "accept-encoding"
    if packed:
        told["content-encoding"] = "gzip"
        body = gzip.compress(body, _LEVEL, mtime=0)
    return Response(body, status, told, media_type)


def unless_had(request: Request, answer: Response) -> Response:
    """Return an answer of ``whole``, or that it is what the reader has, compressed or not, as ``If-None-Match``
    asks (RFC 9110, weakly)."""
    given = request.headers.get("if-none-match", "")
    digest = answer.headers["etag"].strip('"').removesuffix("-gzip")
    had = given.strip() == "*" or digest in re.findall(r'"([0-9a-f]{32})(?:-gzip)?"', given)
    if answer.status_code != 200 or not had:
        return answer
    told = {name: value for name, value in answer.headers.items() if name not in _OF_BODY}
    return Response(status_code=304, headers=told)


def takes_gzip(request: Request) -> bool:
    """Say whether the reader takes an answer compressed."""
    for part in request.headers.get("accept-encoding", "").lower().split(","):
        name, _, weight = part.partition(";")
        if name.strip() == "gzip":
            return not re.fullmatch(r"\s*q\s*=\s*0(?:\.0*)?\s*", weight)
    return False
