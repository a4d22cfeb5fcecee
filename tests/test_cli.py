"""The command line as a person uses it: real processes and files, one sentence and an exit code for a mistake."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
import zipfile
from pathlib import Path

import pytest
from click.testing import CliRunner

from bluesky_network import Network
from clew.cli import cli

EXAMPLES = Path(__file__).parents[1] / "examples"
PASTE = EXAMPLES / "harbour-paste.txt"
THREAD = EXAMPLES / "harbour.json"


def clew(home: Path, *arguments: str | Path, given: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
    """Run ``clew`` with a store of its own."""
    environment = {**os.environ, "CLEW_DATABASE": str(home / "clew.db"), "HOME": str(home), "COLUMNS": "160"}
    command = [sys.executable, "-m", "clew", *map(str, arguments)]
    return subprocess.run(command, input=given, capture_output=True, env=environment, cwd=home, timeout=300)


def ok(result: subprocess.CompletedProcess[bytes]) -> str:
    assert result.returncode == 0, result.stderr.decode()
    return result.stdout.decode()


def told(result: subprocess.CompletedProcess[bytes]) -> str:
    """Return the one sentence of an error."""
    lines = result.stderr.decode().strip().splitlines()
    assert len(lines) == 1, lines
    assert lines[0].startswith("clew: ")
    assert lines[0].endswith((".", "?"))
    assert "Traceback" not in lines[0]
    return lines[0]


@pytest.mark.parametrize("verb", sorted(cli.commands))
def test_each_help_ends_with_an_example(verb: str) -> None:
    """Every verb's help says what it does and shows how."""
    result = CliRunner().invoke(cli, [verb, "--help"])
    assert result.exit_code == 0
    assert f"Example: clew {verb}" in result.output.strip().rpartition("\n\n")[2]


def test_a_file_is_read_without_a_verb(tmp_path: Path) -> None:
    """``clew FILE`` is ``clew unroll FILE``: prose on standard output, the certificate on standard error."""
    result = clew(tmp_path, PASTE)
    assert "a little after 19:40, which leaves" in ok(result)
    assert b"4/ is followed by 6/" in result.stderr


def test_standard_input_is_a_dash(tmp_path: Path) -> None:
    """A thread can be piped in, with what the paste does not say."""
    result = clew(
        tmp_path,
        "-",
        "--author",
        "@ada",
        "--published",
        "2026-02-21",
        "--json",
        given=b"One 1/\nTwo 2/\nThree 3/\n",
    )
    page = json.loads(ok(result))
    assert [item["published"] for item in page["thread"]["items"]] == ["2026-02-21T00:00:00Z"] * 3
    assert page["thread"]["actors"][0]["preferred_username"] == "ada"


def test_without_a_verb_a_file_is_unrolled(tmp_path: Path) -> None:
    """Also where options of the whole command come before it."""
    assert ok(clew(tmp_path, PASTE)) == ok(clew(tmp_path, "--store", tmp_path / "other.db", PASTE))


@pytest.mark.parametrize(
    ("form", "start"), [("text", "The barrier"), ("markdown", "# The barrier"), ("html", "<!doctype html>")]
)
def test_each_format_is_printed(tmp_path: Path, form: str, start: str) -> None:
    """``--to`` writes each format."""
    assert ok(clew(tmp_path, "unroll", PASTE, "--to", form)).startswith(start)


def test_strict_says_that_it_is_incomplete(tmp_path: Path) -> None:
    """An incomplete thread is no error, except with --strict: 3."""
    assert clew(tmp_path, PASTE).returncode == 0
    assert clew(tmp_path, "unroll", PASTE, "--strict").returncode == 3


def test_an_export_lists_its_threads(tmp_path: Path) -> None:
    """An export of several threads shows a table; --post takes one, --all takes all, --save alone asks which."""
    feed = tmp_path / "feed.json"
    views = [json.loads(line)["thread"]["post"] for line in THREAD.read_text().splitlines()]
    views[1]["record"] = {key: value for key, value in views[1]["record"].items() if key != "reply"}
    feed.write_text(json.dumps({"posts": views}))
    assert "First words" in ok(clew(tmp_path, "unroll", feed))
    rows = json.loads(ok(clew(tmp_path, "unroll", feed, "--json")))
    assert [row["posts"] for row in rows] == [1, 1]
    assert "Port Ellery" in ok(clew(tmp_path, "unroll", feed, "--post", rows[0]["post"].rpartition("/")[2]))
    assert clew(tmp_path, "unroll", feed, "--save").returncode == 2
    assert len(ok(clew(tmp_path, "unroll", feed, "--save", "--all")).splitlines()) == len(rows)


def test_keep_list_show_export_build_check_rebuild_forget(tmp_path: Path) -> None:
    """The whole trip of a thread, from keeping to forgetting."""
    key = ok(clew(tmp_path, "unroll", PASTE, "--save")).split()[0]
    assert key in ok(clew(tmp_path, "list"))
    assert json.loads(ok(clew(tmp_path, "list", "--json")))[0]["key"] == key
    assert ok(clew(tmp_path, "show", key[:5])) == ok(clew(tmp_path, "unroll", PASTE))
    ok(clew(tmp_path, "export", key, "--to", "markdown", "-o", "out.md"))
    assert "Port Ellery" in (tmp_path / "out.md").read_text()
    ok(clew(tmp_path, "build", "public"))
    assert (tmp_path / "public" / "t" / key / "index.html").is_file()
    assert "1 thread checked" in ok(clew(tmp_path, "check"))
    assert "1 thread derived again" in ok(clew(tmp_path, "rebuild"))
    ok(clew(tmp_path, "forget", "@tide_notes", "--yes"))
    assert b"Port Ellery" not in b"".join(p.read_bytes() for p in tmp_path.rglob("*") if p.is_file())
    assert told(clew(tmp_path, "show", key)).startswith("clew: There is no such thread")
    refused = clew(tmp_path, "unroll", PASTE, "--save")
    assert refused.returncode == 7
    ok(clew(tmp_path, "forget", "--lift", "https://x.com/tide_notes"))
    ok(clew(tmp_path, "unroll", PASTE, "--save"))


def test_sources_are_listed(tmp_path: Path) -> None:
    """What can be read is said."""
    assert "Pasted text" in ok(clew(tmp_path, "sources"))
    assert len(json.loads(ok(clew(tmp_path, "sources", "--json")))) == 7


# -- bad input ----------------------------------------------------------------------------------------------------


def bomb(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as box:
        box.writestr("data/account.js", 'window.YTD.account.part0 = [{"account": {"accountId": "7"}}]')
        with box.open("data/tweets.js", "w", force_zip64=True) as member:
            member.write(b"window.YTD.tweets.part0 = [")
            for _ in range(400):
                member.write(b" " * (1 << 20))


def traversal(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as box:
        box.writestr("../../outbox.json", '{"orderedItems": []}')


def huge_line(path: Path) -> None:
    path.write_bytes(b'{"posts": ["')
    os.truncate(path, 1 << 30)  # sparse: no disk is used


BAD = {
    "empty.txt": (lambda p: p.write_bytes(b""), 2),
    "blank.txt": (lambda p: p.write_bytes(b" \n\t\n"), 2),
    "binary.bin": (lambda p: p.write_bytes(bytes(range(256)) * 40), 2),
    "cut.json": (lambda p: p.write_bytes(THREAD.read_bytes()[:5000]), 4),
    "latin.txt": (lambda p: p.write_bytes("Ein schöner Faden".encode("latin-1")), 4),
    "nested.json": (lambda p: p.write_bytes(b'{"thread":' * 100_000 + b"1" + b"}" * 100_000), 4),
    "unknown.json": (lambda p: p.write_bytes(b'{"weather": "fair"}'), 2),
    "bomb.zip": (bomb, 2),
    "traversal.zip": (traversal, 2),
    "broken.zip": (lambda p: p.write_bytes(b"PK\x03\x04" + b"x" * 500), 2),
    "line.json": (huge_line, 4),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_sentence(tmp_path: Path, name: str) -> None:
    """What cannot be read is refused with one sentence and its exit code, and nothing is half-saved."""
    make, code = BAD[name]
    make(tmp_path / name)
    result = clew(tmp_path, "unroll", name, "--save")
    told(result)
    assert result.returncode == code
    assert not (tmp_path / "clew.db").exists() or json.loads(ok(clew(tmp_path, "list", "--json"))) == []


def test_other_mistakes_have_their_codes(tmp_path: Path) -> None:
    """A missing file, a link to nothing, a wrong option, an id that is not there, a bad date, a broken store."""
    assert clew(tmp_path, "nothing.txt").returncode == 2
    assert clew(tmp_path, "https://bsky.app/about").returncode == 2
    assert clew(tmp_path, "unroll", PASTE, "--rule", "best").returncode == 2
    assert clew(tmp_path, "unroll", THREAD, "--post", "nowhere").returncode == 5
    assert clew(tmp_path, "unroll", PASTE, "--published", "yesterday").returncode == 2
    assert clew(tmp_path, "show", "nothing").returncode == 6
    (tmp_path / "clew.db").write_bytes(b"this is no database" * 100)
    result = clew(tmp_path, "list")
    assert result.returncode == 6
    told(result)


def test_alone_it_prints_its_help_in_lines(tmp_path: Path) -> None:
    result = clew(tmp_path)
    assert result.returncode == 2
    assert result.stdout == b""
    assert result.stderr.decode().splitlines()[0] == "Usage: clew [OPTIONS] COMMAND [ARGS]..."


@pytest.mark.parametrize("limit", ["0", "-1"])
def test_a_list_of_nothing_is_not_an_empty_store(tmp_path: Path, limit: str) -> None:
    result = clew(tmp_path, "list", "--limit", limit)
    assert result.returncode == 2
    assert b"--limit" in result.stderr


def test_text_cannot_drive_the_terminal(tmp_path: Path) -> None:
    """Escape sequences and bidirectional overrides in a post do not reach the terminal."""
    (tmp_path / "evil.txt").write_text("Red \x1b[31m and \u202ereversed\x07", "utf-8")
    result = clew(tmp_path, "evil.txt", "--author", "\x1b]0;owned\x07")
    assert result.returncode == 0, result.stderr
    for stream in (result.stdout, result.stderr):
        assert b"\x1b" not in stream
        assert b"\x07" not in stream
        assert "\u202e".encode() not in stream


def test_help_imports_little() -> None:
    """``clew --help`` starts without the database, the templates or the parsers."""
    code = "import sys; from clew.cli import cli; print(*sorted(m for m in sys.modules if '.' not in m))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout.decode().split()
    assert not {"sqlalchemy", "jinja2", "starlette", "msgspec", "selectolax", "rich", "uvicorn"} & set(loaded)


def test_serve_says_where_and_stops_on_request(tmp_path: Path) -> None:
    """``clew serve`` prints its address, answers, and ends cleanly when interrupted."""
    ok(clew(tmp_path, "unroll", PASTE, "--save"))
    environment = {**os.environ, "CLEW_DATABASE": str(tmp_path / "clew.db"), "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "-m", "clew", "serve", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment) as process:
        assert process.stdout is not None
        address = process.stdout.readline().decode().split()[-1]
        deadline = time.monotonic() + 30
        while True:
            try:
                with urllib.request.urlopen(address, timeout=10) as answer:
                    body = answer.read()
                break
            except OSError:
                assert time.monotonic() < deadline
                time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) in (0, 130)
    assert b"Port Ellery" in body


# --- links -------------------------------------------------------------------------------------------------------


def asking(home: Path, network: Network, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    """Run ``clew`` against a network of ours."""
    config = network.config()
    settings = {
        "CLEW_BLUESKY_APPVIEW": config.bluesky.appview,
        "CLEW_BLUESKY_PLC": config.bluesky.plc,
        "CLEW_NETWORK_PRIVATE_HOSTS": ",".join(config.network.private_hosts),
        "CLEW_DATABASE": str(home / "clew.db"),
        "HOME": str(home),
    }
    command = [sys.executable, "-m", "clew", *arguments]
    return subprocess.run(command, capture_output=True, env={**os.environ, **settings}, cwd=home, timeout=300)


def test_a_link_is_read_kept_and_looked_at_again(bluesky_pds: Network, tmp_path: Path) -> None:
    """``clew URL`` prints the thread, --save keeps it, ``refresh`` tells what changed, --offline asks nobody."""
    ada = bluesky_pds.account("terminal")
    first = ada.post("The tide came early")
    ada.post("and nobody was at the gate", reply_to=first)
    url = f"https://bsky.app/profile/{ada.did}/post/{first.rkey}"
    assert "nobody was at the gate" in ok(asking(tmp_path, bluesky_pds, url))
    assert not (tmp_path / "clew.db").exists()
    key = ok(asking(tmp_path, bluesky_pds, "unroll", url, "--save")).split()[0]
    assert ok(asking(tmp_path, bluesky_pds, "refresh", key)).startswith(f"{key}  as it was  ")
    ada.post("so we rang by hand", reply_to=ada.post("the bell was out of order", reply_to=first))
    assert b"Nothing is due" in asking(tmp_path, bluesky_pds, "refresh", "--all").stderr  # it was within the hour
    looks = json.loads(ok(asking(tmp_path, bluesky_pds, "refresh", "--all", "--older-than", "0", "--json")))
    assert [(look["key"], len(look["grew"])) for look in looks] == [(key, 2)]
    assert "rang by hand" in ok(clew(tmp_path, url, "--offline"))


def test_mistakes_with_links_have_their_codes(bluesky_pds: Network, tmp_path: Path) -> None:
    """A post that is not there, a server that may not be asked, a hidden author, nothing kept when offline."""
    ada = bluesky_pds.account("mistaken")
    nowhere = f"at://{ada.did}/app.bsky.feed.post/3kabcdefghi2a"
    assert asking(tmp_path, bluesky_pds, nowhere).returncode == 4
    told(asking(tmp_path, bluesky_pds, nowhere))
    private = clew(tmp_path, "http://127.0.0.1:9/a-page")
    assert (private.returncode, "not one of the web's" in told(private)) == (4, True)
    hidden = bluesky_pds.account("unseen")
    hidden.put_profile(labels=["!no-unauthenticated"])
    refused = asking(tmp_path, bluesky_pds, hidden.post("Only for you").uri)
    assert refused.returncode == 7
    told(refused)
    assert clew(tmp_path, nowhere, "--offline").returncode == 6
    assert clew(tmp_path, "refresh").returncode == 2
    assert clew(tmp_path, "refresh", "nothing").returncode == 6
