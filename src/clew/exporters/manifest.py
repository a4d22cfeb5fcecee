"""The manifest of a thread by itself: hashes of its posts, its text and its captures."""

from __future__ import annotations

from clew.manifest import encoded, manifest
from clew.model import Page
from clew.plugins import Exporter


class OfThread:
    """JSON, without any text of anybody but the title and the certificate."""

    name = "manifest"
    media_type = "application/json"
    suffix = ".manifest.json"
    wants_captures = True

    def export(self, page: Page) -> bytes:
        """Return the manifest of the page."""
        return encoded(manifest(page))


EXPORTER: Exporter = OfThread()
