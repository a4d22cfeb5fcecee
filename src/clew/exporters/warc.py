"""WARC: what was received, one gzip member for each record, with the manifest at its end."""

from __future__ import annotations

from clew.manifest import manifest
from clew.model import Page
from clew.plugins import Exporter
from clew.warc import records


class Warc:
    """WARC 1.1, packed record by record."""

    name = "warc"
    media_type = "application/warc"
    suffix = ".warc.gz"
    wants_captures = True

    def export(self, page: Page) -> bytes:
        """Return the captures of the page."""
        return b"".join(record.written() for record in records(page.captures, manifest(page)))


EXPORTER: Exporter = Warc()
