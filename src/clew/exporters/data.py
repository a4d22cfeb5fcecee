"""JSON: the thread and its document, all of it."""

from __future__ import annotations

from typing import Any

import msgspec

from clew.model import Page
from clew.plugins import Exporter


class Data:
    """The nouns of ``clew.model`` as JSON, with their names and their defaults left out."""

    name = "json"
    media_type = "application/json"
    suffix = ".json"

    def export(self, page: Page) -> bytes:
        """Return the page; ``load`` gives it back."""
        value: dict[str, Any] = {"@type": "clew:Page", **msgspec.structs.asdict(page)}
        return msgspec.json.format(msgspec.json.encode(value), indent=1) + b"\n"


def load(data: bytes) -> Page:
    """Return the page that ``Data.export`` wrote.

    Raises:
        msgspec.DecodeError: it is not one.
    """
    value = msgspec.json.decode(data, type=dict[str, Any])
    value.pop("@type", None)
    return msgspec.convert(value, Page)


EXPORTER: Exporter = Data()
