"""Servers of the fediverse for the tests, all on loopback, and recorded answers of a real Mastodon.

- ``Snac``: the real server of that name, from the machine's own Debian sources (main or backports).
- ``Instance``: written by us after Mastodon's documentation, for what none of the others can show: the limits of
  anonymous readers, lost parents, edits, refusals, garbage. It also speaks ActivityPub.
- ``recorded``: what a Mastodon 4.7 answered to the tests of Mastodon.py, from that project's source distribution.

``python tests/fediverse_servers.py`` fetches what is needed beforehand, else the first test that asks does. It is
kept in ``$CLEW_TEST_CACHE`` (default ``$XDG_CACHE_HOME/clew-tests``).
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

import httpx2
import yaml

from clew.config import Config, Mastodon, Network
from clew.model import Capture

CASSETTES = "Mastodon.py==2.3.3 --hash=sha256:a3cda3db86d65809957c978aef8ac7fb3dfc93abfeda3f1c6bdef4c79090ab7b"
AS = "https://www.w3.org/ns/activitystreams"
PUBLIC = AS + "#Public"
ACTIVITY = "application/activity+json"
PICTURE = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c4944415408d763f8cfc0000003010100c9fe92ef"
    "0000000049454e44ae426082"
)  # one red pixel, PNG
PATIENCE = 120.0  # seconds; only what hangs is waited for so long
Json = dict[str, Any]


def settings(*, tokens: dict[str, str] | None = None, **network: Any) -> Config:
    """Return settings under which servers on loopback may be asked, without a pause."""
    asking = Network(private_hosts=("127.0.0.1", "localhost"), pause=0, **network)
    return Config(network=asking, mastodon=Mastodon(tokens=tokens or {}))


def cache() -> Path:
    """Return the folder that is kept between runs."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(os.environ.get("CLEW_TEST_CACHE") or Path(base, "clew-tests")).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    return folder


# --- recorded answers ------------------------------------------------------------------------------------------


def cassettes() -> Path:
    """Return the source distribution with the recorded answers; fetch it from the package index where it is new."""
    folder = cache() / "mastodon.py-2.3.3"
    with (cache() / "mastodon.py.lock").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        if not list(folder.glob("*.tar.gz")):
            folder.mkdir(exist_ok=True)
            (folder / "pinned.txt").write_text(CASSETTES)
            pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet", "--no-deps"]
            _run([*pip, "--no-binary", ":all:", "--require-hashes", "-r", "pinned.txt", "-d", "."], folder)
    return next(folder.glob("*.tar.gz"))


def recorded(pattern: str = "") -> list[Capture]:
    """Return the recorded answers to questions whose address matches, as captures of that address."""
    wanted, found = re.compile(pattern), []
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    with tarfile.open(cassettes()) as archive:
        for member in archive:
            if not re.search(r"/cassettes[^/]*/[^/]*(?<!ws)\.yaml$", member.name):
                continue
            file = archive.extractfile(member)
            tape = yaml.load(file.read(), loader) if file else {}
            for one in tape.get("interactions") or ():
                if one["request"]["method"] == "GET" and wanted.search(one["request"]["uri"]):
                    found.append(_taped(one))
    return found


def _taped(interaction: Json) -> Capture:
    response = interaction["response"]
    body = response["body"]["string"]
    data = body if isinstance(body, bytes) else body.encode()
    headers = {name.lower(): ", ".join(value) for name, value in response["headers"].items()}
    if data.startswith(b"\x1f\x8b"):
        data = zlib.decompressobj(wbits=31).decompress(data)
    media_type = headers.get("content-type", "").partition(";")[0]
    now = datetime(2026, 7, 1, tzinfo=UTC)
    return Capture(
        sha256(data).hexdigest(), data, media_type, now, interaction["request"]["uri"],
        response["status"]["code"], headers=headers,
    )  # fmt: skip


# --- snac ------------------------------------------------------------------------------------------------------


def snac() -> Path:
    """Return the program; take it out of its Debian package where the machine does not have it. Needs no root.

    Raises:
        RuntimeError: the machine has no Debian sources that hold it; says what apt-get wrote.
    """
    if installed := shutil.which("snac"):
        return Path(installed)
    home = cache() / "snac"
    with (cache() / "snac.lock").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        if not (home / "usr/bin/snac").exists():
            with tempfile.TemporaryDirectory() as folder:
                _unpack(Path(folder), home)
    return home / "usr/bin/snac"


def _unpack(folder: Path, home: Path) -> None:
    """Fetch the package by the machine's own sources, with the backports of its release, and take it apart."""
    for name in ("lists/partial", "cache/archives/partial", "parts"):
        (folder / name).mkdir(parents=True)
    for name, text in _sources():
        (folder / "parts" / name).write_text(text)
    options = [
        "Dir::Etc::SourceList=/dev/null", f"Dir::Etc::SourceParts={folder}/parts",
        f"Dir::State::Lists={folder}/lists", f"Dir::Cache={folder}/cache",
        *(["APT::Sandbox::User=root"] if os.geteuid() == 0 else []),
    ]  # fmt: skip
    apt = ["apt-get", "-q", *(word for option in options for word in ("-o", option))]
    _run([*apt, "update"], folder)
    _run([*apt, "download", "snac2"], folder)
    _run(["dpkg", "-x", next(folder.glob("snac2_*.deb")).name, "root"], folder)
    shutil.move(folder / "root", home)


def _sources() -> Iterator[tuple[str, str]]:
    """Yield the machine's sources of its own Debian release, each as a file, widened by the release's backports."""
    told = dict(line.split("=", 1) for line in Path("/etc/os-release").read_text().splitlines() if "=" in line)
    release = told.get("VERSION_CODENAME", "").strip('"')
    suites = f"{release} {release}-backports"
    files = [Path("/etc/apt/sources.list"), *sorted(Path("/etc/apt/sources.list.d").glob("*"))]
    for number, path in enumerate(file for file in files if release and file.is_file()):
        text = path.read_text("utf-8", "replace")
        if path.suffix == ".sources":
            for at, stanza in enumerate(re.split(r"\n\s*\n", text)):
                if re.search(rf"^Suites:.*\b{release}\b(?!-)", stanza, re.MULTILINE):
                    stanza = re.sub(r"^Suites:.*", f"Suites: {suites}", stanza, flags=re.MULTILINE)
                    yield f"{number}-{at}.sources", stanza + "\n"
        elif path.suffix == ".list":
            own = re.findall(rf"^deb\s.*\s{release}\s.*$", text, re.MULTILINE)
            lines = [re.sub(rf"\s{release}\s", f" {suite} ", line) for line in own for suite in suites.split()]
            yield f"{number}.list", "\n".join([*lines, ""])


def _run(command: list[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed: {done.stderr or done.stdout}")


class Snac:
    """A snac server of its own, with the users ada and lina. Posts are made through its API."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="clew-snac-"))
        self.port = _free_port()
        self.host = f"127.0.0.1:{self.port}"
        self.base = f"http://{self.host}"
        self.tokens: dict[str, str] = {}
        self._passwords: dict[str, str] = {}
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(PATIENCE)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _start(self) -> None:
        program, data = str(snac()), self.folder / "data"
        self._tell([program, "init", str(data)], f"127.0.0.1\n{self.port}\n{self.host}\n\n\n")
        settings = json.loads((data / "server.json").read_text())
        settings |= {"host": self.host, "port": self.port, "protocol": "http"}
        (data / "server.json").write_text(json.dumps(settings))
        for user in ("ada", "lina"):
            told = self._tell([program, "adduser", str(data), user], f"{user.title()}\n\n\n")
            self._passwords[user] = told.partition("password is ")[2].split()[0]
        with (self.folder / "log").open("wb") as log:
            self._process = subprocess.Popen([program, "httpd", str(data)], stdout=log, stderr=log)
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                httpx2.get(self.base, trust_env=False)
                break
            except httpx2.TransportError:
                time.sleep(0.05)
        for user, password in self._passwords.items():
            form = {"login": user, "passwd": password, "redir": "", "cid": "", "state": ""}
            page = self.ask("POST", "/oauth/x-snac-get-token", data=form).text
            self.tokens[user] = re.findall(r"\b[0-9a-f]{32,}\b", page)[0]

    def _tell(self, command: list[str], answers: str) -> str:
        done = subprocess.run(command, input=answers, capture_output=True, text=True, check=True)
        return done.stdout + done.stderr

    def ask(self, method: str, path: str, user: str = "", **more: Any) -> httpx2.Response:
        """Ask the server; again where it drops the connection, as it does now and then."""
        headers = {"connection": "close"} | ({"authorization": f"Bearer {self.tokens[user]}"} if user else {})
        for _ in range(9):
            try:
                return httpx2.request(method, self.base + path, headers=headers, trust_env=False, **more)
            except httpx2.TransportError:
                time.sleep(0.05)
        raise RuntimeError(f"snac does not answer {method} {path}")

    def post(self, user: str, text: str, answers: Json | None = None, picture: str = "", **more: Any) -> Json:
        """Publish a post, with a picture of that description; return the status."""
        form = {"status": text, **more} | ({"in_reply_to_id": answers["id"]} if answers else {})
        if picture:
            sent = {"files": {"file": ("red.png", PICTURE, "image/png")}, "data": {"description": picture}}
            form["media_ids[]"] = self.ask("POST", "/api/v2/media", user, **sent).json()["id"]
        return dict(self.ask("POST", "/api/v1/statuses", user, data=form).json())

    def wait_for(self, reply: Json, answered: Json) -> None:
        """Wait until the server shows an answer below its post: it delivers between its own users by a queue."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            context = self.ask("GET", f"/api/v1/statuses/{answered['id']}/context", "ada").json()
            if reply["uri"] in {status["uri"] for status in context["descendants"]}:
                return
            time.sleep(0.2)
        raise RuntimeError("snac did not deliver an answer")

    def edit(self, user: str, status: Json, text: str) -> None:
        """Change the text of a post."""
        self.ask("PUT", f"/api/v1/statuses/{status['id']}", user, data={"status": text}).raise_for_status()

    def delete(self, user: str, status: Json) -> None:
        """Delete a post: as a person does, on the web; its API has no way."""
        form = {"id": status["uri"], "action": "Delete"}
        self.ask("POST", f"/{user}/admin/action", data=form, auth=(user, self._passwords[user]))


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


# --- an instance of our own --------------------------------------------------------------------------------------


class Instance:
    """A server written by us, with Mastodon's addresses, its limits for anonymous readers, and its ActivityPub.

    ``api`` and ``objects`` say what each of the two answers: "open", "closed" (401) or "absent" (404). ``faults``
    maps a path (with its query, or without) to what is answered in its place: (status, body, content type).
    """

    def __init__(self, *, api: str = "open", objects: str = "open", depth: int = 20) -> None:
        self.api, self.objects, self.depth = api, objects, depth
        self.faults: dict[str, tuple[int, bytes, str]] = {}
        self.headers: dict[str, dict[str, str]] = {}
        self.asked: list[str] = []
        self.authorized: list[str] = []
        self.statuses: dict[int, Json] = {}
        self.uris: dict[int, str] = {}
        self.tags: dict[int, list[Json]] = {}
        self.histories: dict[int, list[Json]] = {}
        self.profiles: dict[str, Json] = {}
        self.token = "the-token"
        self.outbox_pages = True
        self.notes_name_replies = True
        self.lists_answers = True
        self._clock = datetime(2026, 3, 1, 8, tzinfo=UTC)
        self._next = 1000
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.host = f"127.0.0.1:{self._server.server_address[1]}"
        self.base = f"http://{self.host}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    # --- what is written -------------------------------------------------------------------------------------

    def post(self, text: str, answers: int = 0, by: str = "ada", **more: Any) -> int:
        """Publish a post; return its id."""
        self._clock += timedelta(minutes=1)
        self._next += 1
        above = self.statuses.get(answers)
        self.statuses[self._next] = {
            "id": str(self._next), "uri": f"{self.base}/users/{by}/statuses/{self._next}",
            "url": f"{self.base}/@{by}/{self._next}", "account": self.account(by), "content": f"<p>{text}</p>",
            "created_at": self._clock.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "edited_at": None, "visibility": "public", "spoiler_text": "", "sensitive": False, "language": "en",
            "in_reply_to_id": str(answers) if answers else None,
            "in_reply_to_account_id": above["account"]["id"] if above else None,
            "mentions": [], "tags": [], "emojis": [], "media_attachments": [], "reblog": None, "card": None,
            "poll": None, "conversation": self.statuses[answers]["conversation"] if above else self._next,
        } | more  # fmt: skip
        self.uris[self._next] = self.statuses[self._next]["uri"]
        return self._next

    def chain(self, count: int, answers: int = 0) -> list[int]:
        """Publish a run of posts, each answering the one before."""
        ids: list[int] = []
        for number in range(1, count + 1):
            ids.append(self.post(f"Part {number}", ids[-1] if ids else answers))
        return ids

    def account(self, name: str) -> Json:
        """Return an account of this server."""
        page = f"{self.base}/@{name}"
        return {
            "id": str(sum(name.encode())), "acct": name, "username": name, "display_name": name.title(),
            "url": page, "uri": f"{self.base}/users/{name}", "note": "", "fields": [], "noindex": False,
        } | self.profiles.get(name, {})  # fmt: skip

    def copy(self, other: Instance, id_: int, **more: Any) -> int:
        """Keep a copy of another server's post, as federation does; return its id here."""
        status = dict(other.statuses[id_])
        author = status["account"]
        account = author | {"id": f"7{author['id']}", "acct": f"{author['acct']}@{other.host}"}
        return self.post(
            "", **(status | {"account": account} | more | {"by": author["acct"], "id": str(self._next + 1)})
        )

    def delete(self, id_: int) -> None:
        """Delete a post as Mastodon does: what answered it names no post any more, only an account."""
        del self.statuses[id_]
        for status in self.statuses.values():
            if status["in_reply_to_id"] == str(id_):
                status["in_reply_to_id"] = None

    def edit(self, id_: int, text: str) -> None:
        """Change a text; the texts before it are in the post's history."""
        status = self.statuses[id_]
        first = {"content": status["content"], "spoiler_text": "", "created_at": status["created_at"]}
        self._clock += timedelta(minutes=1)
        status |= {"content": f"<p>{text}</p>", "edited_at": self._clock.isoformat()}
        last = {"content": status["content"], "spoiler_text": "", "created_at": status["edited_at"]}
        held = self.histories.setdefault(id_, [first | {"account": status["account"]}])
        held.append(last | {"account": status["account"]})

    def address(self, id_: int) -> str:
        """Return the address of a post for people."""
        return str(self.statuses[id_]["url"])

    def id(self, id_: int) -> str:
        """Return the ActivityPub id of a post."""
        return self.uris[id_]

    # --- what is answered ------------------------------------------------------------------------------------

    def respond(self, target: str, accept: str, token: str) -> tuple[int, bytes, str]:
        """Return status, body and content type."""
        self.asked.append(target)
        if token:
            self.authorized.append(target)
        url = urlsplit(target)
        if fault := self.faults.get(target) or self.faults.get(url.path):
            return fault
        query = {key: values[-1] for key, values in parse_qs(url.query).items()}
        if url.path.startswith("/api/"):
            state = "open" if token == self.token else self.api
            found = self._api(url.path, query, token == self.token) if state == "open" else None
        elif "json" in accept:
            state, found = self.objects, self._object(url.path, query) if self.objects == "open" else None
        else:
            return 200, b"<html><title>A page for people</title></html>", "text/html"
        if found is None:
            code = 401 if state == "closed" else 404
            return code, json.dumps({"error": "no"}).encode(), "application/json"
        return 200, json.dumps(found).encode(), "application/json" if url.path.startswith("/api/") else ACTIVITY

    def _api(self, path: str, query: Json, is_known: bool) -> Any:
        if match := re.fullmatch(r"/api/v1/statuses/(\d+)(/\w+)?", path):
            id_ = int(match[1])
            if id_ not in self.statuses:
                return None
            if match[2] == "/context":
                return self._context(id_, is_known)
            return self.histories.get(id_) if match[2] == "/history" else self._status(id_)
        if match := re.fullmatch(r"/api/v1/accounts/(\d+)/statuses", path):
            return self._listed(match[1], query)
        return None

    def _status(self, id_: int) -> Json:
        status = {key: value for key, value in self.statuses[id_].items() if key != "conversation"}
        return {"replies_count": len(self._answers(id_))} | status

    def _answers(self, id_: int) -> list[int]:
        return [int(s["id"]) for s in self.statuses.values() if s["in_reply_to_id"] == str(id_)]

    def _context(self, id_: int, is_known: bool) -> Json:
        most_above, most_below, depth = (4096, 4096, 4096) if is_known else (40, 60, self.depth)
        above: list[int] = []
        node = self.statuses[id_]["in_reply_to_id"]
        while node and int(node) in self.statuses and len(above) < most_above:
            above.insert(0, int(node))
            node = self.statuses[int(node)]["in_reply_to_id"]
        below: list[int] = []
        stack = [(child, 1) for child in reversed(self._answers(id_))]
        while stack and len(below) < most_below:
            child, level = stack.pop()
            below.append(child)
            if level < depth:
                stack.extend((answer, level + 1) for answer in reversed(self._answers(child)))
        return {"ancestors": [self._status(i) for i in above], "descendants": [self._status(i) for i in below]}

    def _listed(self, account: str, query: Json) -> list[Json]:
        own = [id_ for id_, s in self.statuses.items() if s["account"]["id"] == account and self._is_listed(s)]
        most = min(int(query.get("limit", 20)), 40)
        if "min_id" in query:
            page = [id_ for id_ in own if id_ > int(query["min_id"])][:most]
        else:
            page = [id_ for id_ in own if id_ < int(query.get("max_id", 10**9))][-most:]
        return [self._status(id_) for id_ in reversed(page)]

    def _is_listed(self, status: Json) -> bool:
        return self.lists_answers or not status["in_reply_to_id"]

    def _object(self, path: str, query: Json) -> Json | None:
        if match := re.fullmatch(r"/(?:users/\w+/statuses|@\w+)/(\d+)(/replies)?", path):
            id_ = int(match[1])
            if id_ not in self.statuses:
                return None
            return self._replies(id_, query) if match[2] else self._note(id_)
        if match := re.fullmatch(r"/users/(\w+)(/outbox)?", path):
            return self._outbox(match[1], query) if match[2] else self._actor(match[1])
        return None

    def _actor(self, name: str) -> Json:
        id_ = f"{self.base}/users/{name}"
        profile = {"@context": AS, "type": "Person", "id": id_, "preferredUsername": name, "name": name.title()}
        return profile | {"outbox": f"{id_}/outbox", "url": f"{self.base}/@{name}", "followers": f"{id_}/followers"}

    def _note(self, id_: int) -> Json:
        status = self.statuses[id_]
        author, above = status["account"]["uri"], status["in_reply_to_id"]
        note = {
            "@context": [AS, {"conversation": "ostatus:conversation"}], "type": "Note", "id": status["uri"],
            "url": status["url"], "attributedTo": author, "published": status["created_at"][:19] + "Z",
            "content": status["content"], "to": [PUBLIC], "cc": f"{author}/followers",
            "inReplyTo": self.id(int(above)) if above else None, "tag": self.tags.get(id_, []),
            "conversation": f"tag:{self.host},2026:conversation-{status['conversation']}",
        }  # fmt: skip
        return note | ({"replies": self._replies(id_, {})} if self.notes_name_replies else {})

    def _replies(self, id_: int, query: Json) -> Json:
        base = f"{self.id(id_)}/replies"
        own = [i for i in self._answers(id_) if self.statuses[i]["account"] == self.statuses[id_]["account"]]
        if not query:
            next_ = f"min_id={own[4]}" if len(own) > 5 else "only_other_accounts=true"
            page = {"type": "CollectionPage", "next": f"{base}?{next_}&page=true"}
            page["items"] = [self.id(i) for i in own[:5]]
            return {"id": base, "type": "Collection", "first": page}
        more = [self.id(i) for i in own if i > int(query.get("min_id", 0))]
        page = {"@context": AS, "id": f"{base}?page=true", "type": "CollectionPage", "items": more}
        return page | {"next": f"{base}?only_other_accounts=true&page=true"}

    def _outbox(self, name: str, query: Json) -> Json | None:
        base = f"{self.base}/users/{name}/outbox"
        if not self.outbox_pages:
            return None
        own = [s for s in self.statuses.values() if s["account"]["acct"] == name and self._is_listed(s)]
        if not query:
            return {"@context": AS, "id": base, "type": "OrderedCollection", "totalItems": len(own),
                    "first": f"{base}?page=true"}  # fmt: skip
        page = [s for s in own if int(s["id"]) < int(query.get("max_id", 10**9))][-20:][::-1]
        notes = [{k: v for k, v in self._note(int(s["id"])).items() if k != "@context"} for s in page]
        creates = [
            {"type": "Create", "id": note["id"] + "/activity", "actor": note["attributedTo"],
             "published": note["published"], "to": [PUBLIC], "object": note}
            for note in notes
        ]  # fmt: skip
        found = {"@context": AS, "id": base, "type": "OrderedCollectionPage", "orderedItems": creates}
        return found | ({"next": f"{base}?max_id={page[-1]['id']}&page=true"} if len(page) == 20 else {})


def _handler(instance: Instance) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            token = self.headers.get("authorization", "").removeprefix("Bearer ")
            status, body, media_type = instance.respond(self.path, self.headers.get("accept", ""), token)
            self.send_response(status)
            headers = {"content-type": media_type, "content-length": str(len(body))}
            for name, value in (headers | instance.headers.get(urlsplit(self.path).path, {})).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the name that http.server gives it
            pass

    return Handler


if __name__ == "__main__":
    print(snac())
    print(cassettes())
