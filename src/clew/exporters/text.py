"""Plain text: the prose, with what a reader must know around it."""

from __future__ import annotations

from clew.model import Page
from clew.outline import Piece, facts, one_line, outline
from clew.plugins import Exporter
from clew.text import printable


class Text:
    """UTF-8 plain text. What Clew adds stands under the title or between square brackets."""

    name = "text"
    media_type = "text/plain; charset=utf-8"
    suffix = ".txt"

    def export(self, page: Page) -> bytes:
        """Return the page; control and bidirectional format characters are replaced by U+FFFD."""
        title = one_line(page.title)
        head = [title, "=" * min(len(title), 72), *(f"{label}: {value}" for label, value in facts(page))]
        body = (_written(piece) for piece in outline(page))
        return ("\n".join(head) + "\n\n" + "\n\n".join(body) + "\n").encode("utf-8", "replace")


def _written(piece: Piece) -> str:
    text = printable(piece.text)
    if piece.kind == "block":
        quoted = piece.block is not None and piece.block.type == "blockquote"
        return "\n".join(f"> {line}" for line in text.split("\n")) if quoted else text
    if piece.kind == "quote":
        return f"[{one_line(piece.href)}]\n" + "\n".join(f"    {line}" for line in text.split("\n"))
    label = {"heading": "", "warning": "Content warning: "}.get(piece.kind, "")
    where = f" <{one_line(piece.href)}>" if piece.href else ""
    return f"[{label}{one_line(piece.text)}{where}]"


EXPORTER: Exporter = Text()
