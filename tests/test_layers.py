"""The architecture, held: a module imports only from lower rows, and no file or function outgrows its yardstick."""

from __future__ import annotations

import ast
import statistics
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROWS = """
errors    text      dates     counters  seams     guard     pace  conditional  senders
config    model     records   stamps    address   cache     operate   turns
decode    archives  forest    markup    outline   fetch     manifest  search
captures  certificate         document  layout    warc
plugins   thread    citation
pictures  visiting  openapi   sharing
book      discovery
sources   exporters store
reading
keeping   evidence
flow      refreshing
pages     feeds
site      uploads   jobs      api
web
terminal
cli
__main__
"""  # lowest first; ``sources``, ``exporters`` and ``store`` are packages, everything else is one file

SRC = Path(__file__).parents[1] / "src"
FILES = {path: path.relative_to(SRC).with_suffix("").parts for path in sorted(SRC.rglob("*.py"))}
MODULES = {".".join(parts).removesuffix(".__init__"): path for path, parts in FILES.items()}
ROW = {name: number for number, line in enumerate(ROWS.split("\n")) for name in line.split()}
VAGUE = {"utils", "util", "helpers", "helper", "common", "manager", "managers", "misc"}


def _imports(module: str) -> Iterator[str]:
    """Yield what a module imports, those for type checkers and inside functions too."""
    path = MODULES[module]
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            inner = {f"{base}.{alias.name}" for alias in node.names}
            yield from inner & MODULES.keys() or {base}


def _room(module: str) -> str:
    """Return the name that stands in a row: of ``clew.sources.x.posts`` it is "sources"."""
    return module.split(".")[1]


def _family(module: str) -> tuple[str, ...]:
    """Return what may import one another: the store is one house, each source and each exporter stands alone."""
    parts = module.split(".")
    return tuple(parts[1:3] if parts[1] in ("sources", "exporters") else parts[1:2])


def test_every_module_stands_in_a_row() -> None:
    """The rows are the whole architecture: none is missing there, and none is there that does not exist."""
    assert {_room(module) for module in MODULES if module != "clew"} == set(ROW)


@pytest.mark.parametrize("module", [name for name in MODULES if name != "clew"])
def test_imports_lead_down(module: str) -> None:
    """What a module imports stands in a lower row, or belongs to its own family."""
    for other in _imports(module):
        assert other != "clew", f"{module} imports the front door"
        if other.startswith("clew."):
            lower = ROW[_room(other)] < ROW[_room(module)]
            assert lower or _family(other) == _family(module), f"{module} must not import {other}"


def test_no_module_imports_itself_in_a_circle() -> None:
    """The imports make no circle, not even within a package. ``prepare`` raises where they do."""
    edges = {module: {o for o in _imports(module) if o in MODULES} for module in MODULES if module != "clew"}
    TopologicalSorter(edges).prepare()


@pytest.mark.parametrize(
    ("library", "rooms"),
    [
        ("sqlalchemy", {"store"}),
        ("alembic", {"store"}),
        ("sqlite3", {"store"}),
        ("starlette", {"api", "conditional", "web"}),
        ("uvicorn", {"web"}),
        ("socket", {"web", "guard"}),
        ("ssl", {"guard"}),
        ("httpcore2", {"fetch", "guard"}),
        ("stamina", {"fetch"}),
        ("idna", {"address"}),
        ("resvg_py", {"sharing"}),
        ("jinja2", {"book", "pages"}),
        ("click", {"cli", "terminal"}),
        ("rich", {"terminal"}),
    ],
)
def test_a_library_lives_in_one_room(library: str, rooms: set[str]) -> None:
    """Only the store speaks SQL, only the site and the guard know sockets, only the pages fill templates."""
    using = {
        _room(module)
        for module in MODULES
        if any(name == library or name.startswith(f"{library}.") for name in _imports(module))
    }
    assert using == rooms


def test_one_door_leads_to_the_network() -> None:
    """Only ``fetch`` and the guard below it import a client for any protocol; a source is given the door."""
    clients = {"httpcore", "httpcore2", "httpx", "httpx2", "requests", "aiohttp", "urllib3", "urllib.request",
               "http.client", "ftplib", "smtplib", "imaplib", "poplib", "telnetlib", "xmlrpc.client", "websockets",
               "atproto", "mastodon", "tweepy", "xdk"}  # fmt: skip
    using = {_room(module) for module in MODULES for name in _imports(module) if name in clients}
    assert using == {"fetch", "guard"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SRC)))
def test_yardsticks_of_a_module(path: Path) -> None:
    """At most 500 lines a module and 60 a function, and a name that says what is in it."""
    lines = path.read_text("utf-8").count("\n")
    assert lines <= 500
    assert not VAGUE & set(FILES[path])
    assert not [(name, length) for name, length in _functions(path) if length > 60]


def test_the_usual_function_is_short() -> None:
    """The median function has at most ten lines."""
    assert statistics.median(length for path in FILES for _, length in _functions(path)) <= 10


def _functions(path: Path) -> Iterator[tuple[str, int]]:
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, (node.end_lineno or node.lineno) - node.lineno + 1
