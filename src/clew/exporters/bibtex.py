"""BibTeX: the reference to a thread."""

from __future__ import annotations

from clew.citation import bibtex
from clew.model import Page
from clew.plugins import Exporter


class BibTex:
    """One entry ``@misc``, which every style knows."""

    name = "bibtex"
    media_type = "application/x-bibtex; charset=utf-8"
    suffix = ".bib"

    def export(self, page: Page) -> bytes:
        """Return the reference."""
        return bibtex(page)


EXPORTER: Exporter = BibTex()
