"""What ``import clew`` gives: all of it is there, explained, and cheap to import."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import clew

SOURCE = Path(clew.__file__)
NOUNS = {"Actor", "Capture", "Certificate", "Document", "Gap", "Page", "Post", "Span", "Thread", "Tombstone"}


def _for_type_checkers() -> set[str]:
    """Names that the package imports under TYPE_CHECKING, where its type checker's users look."""
    tree = ast.parse(SOURCE.read_bytes())
    blocks = [node for node in tree.body if isinstance(node, ast.If)]
    return {a.name for b in blocks for node in b.body if isinstance(node, ast.ImportFrom) for a in node.names}


def test_all_names_what_is_there() -> None:
    """``__all__`` is sorted, without doubles, and the same as what is loaded and what type checkers see."""
    assert clew.__all__ == sorted(set(clew.__all__))
    assert set(clew._HOME_OF) == set(clew.__all__) == _for_type_checkers()


@pytest.mark.parametrize("name", clew.__all__)
def test_each_name_is_importable_and_explained(name: str) -> None:
    """Each public name loads, has a docstring, and is defined in Clew."""
    value = getattr(clew, name)
    assert inspect.isclass(value) or inspect.isfunction(value)
    assert value.__module__.startswith("clew.")
    assert (value.__doc__ or "").strip().endswith((".", ")", "``"))


@pytest.mark.parametrize("name", [n for n in clew.__all__ if n not in NOUNS])
def test_each_function_is_annotated(name: str) -> None:
    """Whoever calls it can read off what goes in and what comes out."""
    value = getattr(clew, name)
    if inspect.isfunction(value):
        signature = inspect.signature(value)
        assert signature.return_annotation is not inspect.Signature.empty
        assert all(p.annotation is not p.empty for p in signature.parameters.values())


def test_every_noun_is_a_frozen_value() -> None:
    """Nothing that Clew hands out can be changed behind its back."""
    for name in NOUNS:
        assert getattr(clew, name).__struct_config__.frozen, name


def test_a_name_that_is_not_there() -> None:
    """A misspelt name is the usual AttributeError."""
    with pytest.raises(AttributeError, match="unrol"):
        _ = clew.unrol  # type: ignore[attr-defined]


def test_the_version_is_that_of_the_package() -> None:
    """``clew.__version__`` is what the changelog's first entry is about."""
    changelog = (Path(__file__).parents[1] / "CHANGELOG.md").read_text("utf-8")
    first = next(line for line in changelog.splitlines() if line.startswith("## "))
    assert first.split()[1] == clew.__version__


@pytest.mark.parametrize("statement", ["import clew", "import clew.cli", "from clew import ClewError, Post"])
def test_importing_is_cheap(statement: str) -> None:
    """Databases, templates, servers and the chooser of articles are loaded by what needs them, not before."""
    heavy = ("sqlalchemy", "alembic", "jinja2", "starlette", "uvicorn", "trafilatura", "rich", "selectolax")
    script = f"{statement}\nimport sys\nprint(*(name for name in {heavy!r} if name in sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert loaded.stdout.split() == []
