"""The words around the code, held to it: commands run, links lead somewhere, generated parts are fresh.

python tests/test_docs.py      writes the generated parts again
"""

from __future__ import annotations

import ast
import inspect
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import click
import pytest

from clew import config, errors, model, plugins, web
from clew.certificate import PLAIN
from clew.cli import cli

ROOT = Path(__file__).parents[1]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]
BIN = Path(sys.executable).parent
CONSOLE = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PYTHON = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"(?<!`)\[(?P<text>[^\]]*)\]\((?P<to>[^)\s]+)\)")
PROOF = re.compile(r"\[`(?P<file>test_\w+\.py)`: (?P<tests>`test_\w+`(?:, `test_\w+`)*)\]\((?P<to>[^)]+)\)")
PART = "<!-- {0}: written by python tests/test_docs.py -->\n"


# -- what is generated --------------------------------------------------------------------------------------------


def verbs() -> str:
    """The help of every command, as it is printed."""
    parts = [_help("clew", cli)]
    parts += [_help(f"clew {name}", command) for name, command in cli.commands.items()]
    return "\n".join(parts)


def _help(path: str, command: click.Command) -> str:
    context = click.Context(command, info_name=path, terminal_width=96, max_content_width=96)
    context.help_option_names = ["-h", "--help"]
    return f"## {path}\n\n```text\n{command.get_help(context)}\n```\n"


def nouns() -> str:
    """Every class of the model with its fields, from its docstrings."""
    tree = ast.parse(inspect.getsource(model))
    words = "\n".join(_words(node) for node in tree.body if isinstance(node, ast.Assign))
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.name != "Value"]
    return words + "\n\n" + "\n".join(_noun(node) for node in classes)


def _words(node: ast.Assign) -> str:
    """The values that a type allows; of ``Item`` what it is made of."""
    name, allowed = ast.unparse(node.targets[0]), node.value
    if isinstance(allowed, ast.Subscript):
        return f"- `{name}` is one of {', '.join(f'`{value}`' for value in ast.literal_eval(allowed.slice))}."
    return f"- `{name}` is `{ast.unparse(allowed)}`."


def _noun(node: ast.ClassDef) -> str:
    rows = []
    for field, after in zip(node.body, [*node.body[1:], None], strict=True):
        if isinstance(field, ast.AnnAssign):
            told = after.value if isinstance(after, ast.Expr) else None
            words = inspect.cleandoc(told.value) if isinstance(told, ast.Constant) and told.value else ""
            kind = ast.unparse(field.annotation).replace("|", "\\|")
            rows.append(f"| `{ast.unparse(field.target)}` | `{kind}` | {_line(words)} |")
    told = _line(ast.get_docstring(node) or "")
    return "\n".join([f"### {node.name}\n", told, "", "| field | type | |", "|---|---|---|", *rows, ""])


def _line(words: str) -> str:
    return " ".join(words.replace("``", "`").split())


def settings() -> str:
    """Every setting with its variable, its default and what it does."""
    rows = ["| in the file | in the environment | default | |", "|---|---|---|---|"]
    for keys, variable in config._variables(config.Config):
        holder: object = config.Config()
        for key in keys[:-1]:
            holder = getattr(holder, key)
        default, words = _declared(type(holder), keys[-1])
        rows.append(f"| `{'.'.join(keys)}` | `{variable}` | {default} | {words} |")
    return "\n".join(rows) + "\n"


def _declared(struct: type, field: str) -> tuple[str, str]:
    """Return the default of a field as it is written, and the words below it."""
    (body,) = ast.parse(inspect.getsource(struct)).body
    assert isinstance(body, ast.ClassDef)
    for node, after in zip(body.body, [*body.body[1:], None], strict=True):
        if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == field and node.value:
            default = re.sub(r" \* (.)IB$", r" \1iB", ast.unparse(node.value)).strip("'")
            told = after.value if isinstance(after, ast.Expr) else None
            return f"`{default}`" if default else "", _line(told.value) if isinstance(told, ast.Constant) else ""
    raise AssertionError(f"no {field} in {struct}")


def formats() -> str:
    """What each source reads, and what of an archive it opens."""
    parts = []
    for source in plugins.sources():
        parts += [f"**{source.title}**\n", *(f"- {line}" for line in source.formats), ""]
        if source.members:
            names = ", ".join(f"`{member.glob}`" for member in source.members)
            parts += [f"Opened in an archive or folder, and nothing else: {names}.", ""]
    return "\n".join(parts)


def exports() -> str:
    """The formats of ``--to`` and of downloads."""
    rows = ["| name | file | type |", "|---|---|---|"]
    rows += [f"| `{e.name}` | `{e.suffix}` | `{e.media_type}` |" for e in plugins.exporters()]
    return "\n".join(rows) + "\n"


GENERATED: dict[str, tuple[str, Callable[[], str]]] = {
    "verbs": ("docs/reference-cli.md", verbs),
    "exports": ("docs/reference-cli.md", exports),
    "nouns": ("docs/model.md", nouns),
    "settings": ("docs/operate.md", settings),
    "formats": ("docs/sources.md", formats),
}


def written(name: str) -> tuple[Path, str, str]:
    """Return the file of a generated part, what it holds, and what it should hold."""
    file, generate = GENERATED[name]
    page = (ROOT / file).read_text("utf-8")
    begin, end = PART.format(name), f"<!-- end of {name} -->"
    before, found, rest = page.partition(begin)
    assert found, f"{file} has no place for {name!r}"
    _, found, after = rest.partition(end)
    assert found, f"{file} does not end {name!r}"
    return ROOT / file, page, f"{before}{begin}\n{generate()}\n{end}{after}"


@pytest.mark.parametrize("name", GENERATED)
def test_generated_parts_are_fresh(name: str) -> None:
    """The reference says what the code says. Stale? python tests/test_docs.py"""
    _, page, fresh = written(name)
    assert page == fresh


def test_each_noun_and_field_has_words() -> None:
    """A noun without a docstring would stand in the reference without a word."""
    assert all(told for told in re.findall(r"### \w+\n\n(.*)\n", nouns()))


# -- what is run --------------------------------------------------------------------------------------------------


class Step(NamedTuple):
    command: str
    output: str


def steps(page: Path) -> Iterator[Step]:
    """Yield the commands of a page's console blocks with the output shown below each."""
    for block in CONSOLE.findall(page.read_text("utf-8")):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = part.partition("\n")
            while command.endswith("\\"):
                more, _, output = output.partition("\n")
                command = f"{command[:-1].rstrip()} {more.strip()}"
            yield Step(command, output)


def matches(shown: str, said: str) -> bool:
    """Compare output line by line; a line "…" in the page stands for any lines."""
    lines = [line.rstrip() for line in shown.strip("\n").split("\n")]
    pattern = "".join(r"(?:.*\n)*" if line == "…" else re.escape(line) + r"\n" for line in lines)
    plain = re.sub(r"[^\S\n]+$", "", said, flags=re.MULTILINE).strip("\n") + "\n"
    return re.fullmatch(pattern, plain) is not None


def run(command: str, lines: int, folder: Path) -> str:
    """Run a command as a reader would, in a folder with the examples; a server is stopped once it has spoken."""
    environment = {
        "PATH": f"{BIN}:{os.environ.get('PATH', os.defpath)}",
        "HOME": str(folder / "home"),
        "CLEW_LISTEN_PORT": "0",
        "LANG": "C.UTF-8",
    }
    with subprocess.Popen(
        command, shell=True, cwd=folder, env=environment, text=True, encoding="utf-8",
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
    ) as child:  # fmt: skip
        assert child.stdout is not None
        if not command.startswith("clew serve"):
            return child.stdout.read()
        try:
            said = "".join(child.stdout.readline() for _ in range(lines))
        finally:
            os.killpg(child.pid, 2)
        return re.sub(r"(127\.0\.0\.1):\d+", r"\1:8000", said)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the example threads, as a checkout has them, and a home of its own."""
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    (tmp_path / "home").mkdir()
    return tmp_path


@pytest.mark.parametrize("page", [p for p in PAGES if list(steps(p))], ids=lambda page: page.name)
def test_commands_print_what_the_page_shows(page: Path, folder: Path) -> None:
    """Every command of a page works, one after the other, and prints what stands below it."""
    for step in steps(page):
        said = run(step.command, step.output.count("\n"), folder)
        assert matches(step.output, said), f"$ {step.command}\n{said}"


@pytest.mark.parametrize("page", [p for p in PAGES if PYTHON.search(p.read_text("utf-8"))], ids=lambda p: p.name)
def test_python_of_the_page_runs(page: Path, folder: Path) -> None:
    """Every piece of Python of a page runs in one session, in a folder with the examples."""
    script = "\n".join(PYTHON.findall(page.read_text("utf-8")))
    environment = {"HOME": str(folder / "home"), "PYTHONWARNINGS": "error", "LANG": "C.UTF-8"}
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_an_elided_line_stands_for_lines_and_for_nothing_else() -> None:
    """The comparison notices a changed word, a missing line and one too many."""
    assert matches("a\n…\nd\n", "a\nb\nc\nd\n")
    assert matches("a\n…\nd\n", "a\nd\n")
    assert not matches("a\n…\nd\n", "a\nb\nc\n")
    assert not matches("a\nb\n", "a\nb\nc\n")
    assert not matches("a.c\n", "abc\n")


# -- links and proofs ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    """A link within the project leads to a file that is there and to a heading that is there."""
    for link in LINK.finditer(page.read_text("utf-8")):
        to, _, anchor = link["to"].partition("#")
        if re.match(r"[a-z]+:", to):
            continue
        target = (page.parent / to) if to else page
        assert target.exists(), link[0]
        if anchor:
            headings = re.findall(r"^#+ (.*)$", target.read_text("utf-8"), re.MULTILINE)
            assert anchor in {_slug(heading) for heading in headings}, link[0]


def _slug(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def test_each_guarantee_has_its_proof() -> None:
    """Each numbered line of "What Clew guarantees" names at least one test, and each test named exists."""
    readme = (ROOT / "README.md").read_text("utf-8")
    section = readme.partition("## What Clew guarantees\n")[2].partition("\n## ")[0]
    guarantees = re.split(r"^\d\. ", section, flags=re.MULTILINE)[1:]
    assert len(guarantees) == 6
    assert all(PROOF.search(guarantee) for guarantee in guarantees)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_each_proof_exists(page: Path) -> None:
    """A page that names a test names one that is there, in the file that it links."""
    for proof in PROOF.finditer(page.read_text("utf-8")):
        file = (page.parent / proof["to"]).resolve()
        assert file.name == proof["file"]
        defined = {n.name for n in ast.walk(ast.parse(file.read_bytes())) if isinstance(n, ast.FunctionDef)}
        assert set(re.findall(r"test_\w+(?=`)", proof["tests"])) <= defined, proof[0]


# -- tables that must agree with the code -------------------------------------------------------------------------


def rows(file: str, heading: str) -> list[list[str]]:
    """Return the cells of the first table below a heading."""
    page = (ROOT / file).read_text("utf-8")
    found = re.search(rf"^## {re.escape(heading)}\n(?:(?!^\|).*\n)*((?:^\|.*\n)+)", page, re.MULTILINE)
    assert found, f"{file} has no table under {heading!r}"
    lines = found[1].strip().split("\n")[2:]
    return [[cell.strip().strip("`") for cell in line.strip("|").split(" | ")] for line in lines]


def _errors() -> dict[str, type[errors.ClewError]]:
    return {
        name: value
        for name, value in vars(errors).items()
        if inspect.isclass(value) and issubclass(value, errors.ClewError)
    }


def test_every_exit_code_is_documented() -> None:
    """The table of exit codes has each code once, with the error that gives it."""
    table = {int(code): name for code, name, *_ in rows("docs/reference-cli.md", "Exit codes")}
    own = {kind.exit_code: name for name, kind in _errors().items() if "exit_code" in vars(kind)}
    assert {code: name for code, name in table.items() if name} == own
    assert set(table) == {0, errors.EXIT_INCOMPLETE, errors.EXIT_INTERRUPTED, *own}


def test_every_error_is_documented() -> None:
    """The table of errors has each one with its exit code and the status that the served site gives."""
    table = {name: (int(code), status) for name, code, status, *_ in rows("docs/errors.md", "The errors")}
    own = {name: (kind.exit_code, str(web.status_of(kind("It does not work")))) for name, kind in _errors().items()}
    assert {name: (code, status.split(" ")[0]) for name, (code, status) in table.items()} == own


def test_every_reason_is_explained() -> None:
    """The reasons of the certificate are explained, each with the words that pages use."""
    assert {name: words for name, words, *_ in rows("docs/model.md", "Why a post is not here")} == PLAIN


def test_every_way_of_submitting_is_explained() -> None:
    """Who may send the form is told for each value that the setting has."""
    told = {name for name, *_ in rows("docs/operate.md", "Who may add threads")}
    (field,) = (f for f in model.msgspec.structs.fields(config.Config) if f.name == "submit")
    assert told == set(field.type.__args__)


def test_every_module_stands_in_the_design() -> None:
    """The map of the code in docs/design.md names every module and package, and none that is not there."""
    page = (ROOT / "docs/design.md").read_text("utf-8")
    section = page.partition("## The rooms\n")[2].partition("\n## ")[0]
    named = set(re.findall(r"^\| `(\w+)(?:\.py|/)` \|", section, re.MULTILINE))
    inside = [p for p in (ROOT / "src/clew").iterdir() if p.suffix == ".py" or (p / "__init__.py").exists()]
    assert named == {p.stem for p in inside}


def test_every_verb_is_in_the_readme_or_the_tutorial() -> None:
    """Somebody who reads these two has met every command."""
    told = "".join((ROOT / page).read_text("utf-8") for page in ("README.md", "docs/tutorial.md"))
    assert not [name for name in cli.commands if f"clew {name}" not in told]


def test_the_pages_name_nobody_elses_machine() -> None:
    """No absolute path of a machine and no package host stands in the words."""
    for page in PAGES:
        assert not re.search(r"/(?:root|home/\w+|work|Users)/|pypi\.|npmjs\.", page.read_text("utf-8")), page.name


def test_pictures_are_small() -> None:
    """The pictures of the README are there and load quickly."""
    pictures = list(chain.from_iterable((ROOT / "docs/images").glob(f"*.{kind}") for kind in ("png", "svg")))
    assert pictures
    assert all(picture.stat().st_size < 200_000 for picture in pictures)


if __name__ == "__main__":
    for part in GENERATED:
        target, _, fresh_page = written(part)
        target.write_text(fresh_page, "utf-8")
        print(f"{target.relative_to(ROOT)}: {part}")
