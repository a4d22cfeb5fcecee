"""Clew turns a thread of posts into one readable, durable, citable document.

The flow is the API:

    import clew

    thread = clew.unroll("thread.json")     # a file, an archive, or pasted text
    document = clew.stitch(thread)          # readable prose; each character traces to a post
    print(thread.certificate.sentence)      # what is here, what is missing, and how that is known
    print(document.text)
    clew.export(thread, "markdown")         # bytes; also "text" and "json"

Everything is a frozen value (``clew.model``); everything that goes wrong is a ``ClewError`` (``clew.errors``).
To keep threads: ``clew.store.open``, ``clew.opened``, ``clew.save``. To add a network: ``clew.plugins``.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from clew.document import stitch
    from clew.errors import (
        ClewError,
        InputError,
        ParseError,
        PluginError,
        Refused,
        SourceError,
        StoreError,
        ThreadError,
    )
    from clew.flow import check, export, forget, opened, page, rebuild, save, unroll
    from clew.model import Actor, Capture, Certificate, Document, Gap, Page, Post, Span, Thread, Tombstone
    from clew.thread import assemble

__all__ = [
    "Actor",
    "Capture",
    "Certificate",
    "ClewError",
    "Document",
    "Gap",
    "InputError",
    "Page",
    "ParseError",
    "PluginError",
    "Post",
    "Refused",
    "SourceError",
    "Span",
    "StoreError",
    "Thread",
    "ThreadError",
    "Tombstone",
    "assemble",
    "check",
    "export",
    "forget",
    "opened",
    "page",
    "rebuild",
    "save",
    "stitch",
    "unroll",
]


_HOMES = {
    "errors": (
        "ClewError",
        "InputError",
        "ParseError",
        "PluginError",
        "Refused",
        "SourceError",
        "StoreError",
        "ThreadError",
    ),
    "model": ("Actor", "Capture", "Certificate", "Document", "Gap", "Page", "Post", "Span", "Thread", "Tombstone"),
    "thread": ("assemble",),
    "document": ("stitch",),
    "flow": ("check", "export", "forget", "opened", "page", "rebuild", "save", "unroll"),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    """Import what is asked for when it is first asked for: ``clew --help`` needs none of it."""
    if name == "__version__":
        from importlib.metadata import version

        return version("clew")
    if name in _HOME_OF:
        return getattr(import_module(f"clew.{_HOME_OF[name]}"), name)
    if name in ("errors", "model", "plugins", "store"):
        return import_module(f"clew.{name}")
    raise AttributeError(f"module 'clew' has no attribute {name!r}")
