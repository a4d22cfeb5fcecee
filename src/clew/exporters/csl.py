"""CSL-JSON: the reference to a thread, as citation processors and reference managers take it."""

from __future__ import annotations

from clew.citation import csl
from clew.model import Page
from clew.plugins import Exporter


class Csl:
    """A list of one item of the type "post"."""

    name = "csl"
    media_type = "application/vnd.citationstyles.csl+json"
    suffix = ".csl.json"

    def export(self, page: Page) -> bytes:
        """Return the reference."""
        return csl(page)


EXPORTER: Exporter = Csl()
