"""JSON: the thread and its document, all of it."""

from __future__ import annotations

from typing import Any

import msgspec

from clew.manifest import manifest
from clew.model import Page
from clew.plugins import Exporter


class Data:
    """The nouns of ``clew.model`` as JSON, with their names, their defaults left out, and the manifest. Of captures
    there are only the hashes."""

    name = "json"
    media_type = "application/json"
    suffix = ".json"
    wants_captures = True

    def export(self, page: Page) -> bytes:
        """Return the page; ``load`` gives it back without its captures."""
        value: dict[str, Any] = {"@type": "clew:Page", **msgspec.structs.asdict(page), "manifest": manifest(page)}
        del value["captures"]
        return msgspec.json.format(msgspec.json.encode(value), indent=1) + b"\n"


def load(data: bytes) -> Page:
    """Return the page that ``Data.export`` wrote.

    Raises:
        msgspec.DecodeError: it is not one.
    """
    value = msgspec.json.decode(data, type=dict[str, Any])
    for name in ("@type", "manifest"):
        value.pop(name, None)
    return msgspec.convert(value, Page)


EXPORTER: Exporter = Data()
