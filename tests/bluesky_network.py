"""A real Bluesky network for the tests, on loopback: the reference servers from npm, filled through their real API.

``python tests/bluesky_network.py`` installs it beforehand (half a minute, 0.7 GB), else the first test that asks
does. The install is kept in ``$CLEW_TEST_CACHE`` (default ``$XDG_CACHE_HOME/clew-tests``), in a folder named after
the lock file. It needs npm, on Linux for x86-64. ``package.json`` there gives the data server better-sqlite3 13 for
12, which aborts on Node 24 after some thousand writes (in a garbage collection) and would have to be compiled.

DID documents in the network's directory name the data server as ``http://localhost:PORT``, so a client can dial
what it reads there. The servers listen on 127.0.0.1 only. Handles end in ``.test``, and both servers resolve them
(com.atproto.identity.resolveHandle); nothing is found by DNS or under ``.well-known``.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import select
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx2
import msgspec

from clew.config import Bluesky, Config
from clew.config import Network as Asking

HERE = Path(__file__).with_name("networks") / "bluesky"
WRITES = 200  # that applyWrites takes at once
PATIENCE = 600  # seconds; only a server that hangs is waited for so long

Record = dict[str, Any]


def cache() -> Path:
    """Return the folder that installs are kept in."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("CLEW_TEST_CACHE") or Path(base, "clew-tests")).absolute()


def install() -> Path:
    """Return the folder of the installed servers; install them first where the lock file is new.

    Raises:
        RuntimeError: npm failed; says what it wrote.
    """
    lock = hashlib.sha256((HERE / "package-lock.json").read_bytes()).hexdigest()
    home = cache() / f"bluesky-{lock[:16]}"
    home.parent.mkdir(parents=True, exist_ok=True)
    with (home.parent / "bluesky.lock").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)  # one worker installs, the others wait
        if not home.exists():
            for left in home.parent.glob("bluesky-unfinished-*"):
                shutil.rmtree(left)
            _build(Path(tempfile.mkdtemp(prefix="bluesky-unfinished-", dir=home.parent)), home)
    return home


def _build(folder: Path, home: Path) -> None:
    """Install into ``folder``; it gets its name only when all is done. Nothing is compiled, no script is run."""
    for name in ("package.json", "package-lock.json"):
        shutil.copy(HERE / name, folder)
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stdout[-5000:].decode(errors='replace')}")
    folder.rename(home)


@dataclass(frozen=True)
class Posted:
    """A record as its server named it. ``root`` is the first post of its thread, none for that post itself."""

    uri: str
    cid: str
    root: Posted | None = None

    @property
    def rkey(self) -> str:
        return self.uri.rpartition("/")[2]

    @property
    def ref(self) -> Record:
        """The strong reference that quotes, replies and gates hold."""
        return {"uri": self.uri, "cid": self.cid}


def note(
    text: str,
    *,
    reply_to: Posted | None = None,
    facets: Sequence[Record] = (),
    embed: Record | None = None,
    langs: Sequence[str] = (),
    labels: Sequence[str] = (),
    created_at: str = "",
) -> Record:
    """Return the record of a post. ``labels`` are the author's own; ``created_at`` is ISO 8601, default now."""
    record: Record = {"$type": "app.bsky.feed.post", "text": text, "createdAt": created_at or _now()}
    if reply_to:
        record["reply"] = {"root": (reply_to.root or reply_to).ref, "parent": reply_to.ref}
    given = {"facets": list(facets), "embed": embed, "langs": list(langs), "labels": labels and _labels(labels)}
    return record | {name: value for name, value in given.items() if value}


def _labels(values: Sequence[str]) -> Record:
    return {"$type": "com.atproto.label.defs#selfLabels", "values": [{"val": value} for value in values]}


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _posted(answer: Record, record: Record) -> Posted:
    root = record.get("reply", {}).get("root")
    return Posted(answer["uri"], answer["cid"], Posted(**root) if root else None)


class Account:
    """Someone on the network, logged in."""

    def __init__(self, network: Network, session: Record) -> None:
        self.network = network
        self.did: str = session["did"]
        self.handle: str = session["handle"]
        self.token: str = session["accessJwt"]

    def ask(self, method: str, body: Record | bytes | None = None, *, mime: str = "", **query: Any) -> Record:
        """Call a method of the data server as this account."""
        return self.network.ask(method, body, token=self.token, mime=mime, **query)

    def post(self, text: str, *, rkey: str = "", **fields: Any) -> Posted:
        """Post ``note(text, **fields)``, under a record key of your own if one is given."""
        return self.create(note(text, **fields), rkey)

    def create(self, record: Record, rkey: str = "") -> Posted:
        """Write a record of any kind."""
        key = {"rkey": rkey} if rkey else {}
        body = {"repo": self.did, "collection": record["$type"], "record": record, **key}
        return _posted(self.ask("com.atproto.repo.createRecord", body), record)

    def create_many(self, records: Iterable[Record]) -> list[Posted]:
        """Write many records, 200 a request, in this order."""
        records, found = list(records), list[Posted]()
        for start in range(0, len(records), WRITES):
            part = records[start : start + WRITES]
            create = {"$type": "com.atproto.repo.applyWrites#create"}
            writes = [create | {"collection": value["$type"], "value": value} for value in part]
            answer = self.ask("com.atproto.repo.applyWrites", {"repo": self.did, "writes": writes})
            found += map(_posted, answer["results"], part)
        return found

    def delete(self, record: Posted | str) -> None:
        """Delete a record of this account: a post, a block."""
        *_, collection, rkey = (record if isinstance(record, str) else record.uri).split("/")
        self.ask("com.atproto.repo.deleteRecord", {"repo": self.did, "collection": collection, "rkey": rkey})

    def upload(self, data: bytes, mime: str) -> Record:
        """Return the blob, to be named in a post within the hour."""
        return dict(self.ask("com.atproto.repo.uploadBlob", data, mime=mime)["blob"])

    def block(self, did: str) -> Posted:
        """Block someone; delete what is returned to end it."""
        return self.create({"$type": "app.bsky.graph.block", "subject": did, "createdAt": _now()})

    def detach(self, quoted: Posted, *quoting: Posted) -> Posted:
        """Detach posts that quote this account's post from it (a postgate)."""
        gate = {"$type": "app.bsky.feed.postgate", "post": quoted.uri, "createdAt": _now()}
        return self.create(gate | {"detachedEmbeddingUris": [each.uri for each in quoting]}, quoted.rkey)

    def hide(self, root: Posted, *replies: Posted) -> Posted:
        """Hide replies in this account's thread (a threadgate)."""
        gate = {"$type": "app.bsky.feed.threadgate", "post": root.uri, "createdAt": _now()}
        return self.create(gate | {"hiddenReplies": [each.uri for each in replies]}, root.rkey)

    def put_profile(self, *, labels: Sequence[str] = (), **fields: Any) -> None:
        """Write the profile: displayName, description; ``labels`` such as "!no-unauthenticated"."""
        record = {"$type": "app.bsky.actor.profile", **fields} | ({"labels": _labels(labels)} if labels else {})
        body = {"repo": self.did, "collection": record["$type"], "rkey": "self", "record": record}
        self.ask("com.atproto.repo.putRecord", body)

    def deactivate(self) -> None:
        """Close the account for the time being: its repository is no longer served."""
        self.ask("com.atproto.server.deactivateAccount", {})


class Network:
    """The running servers: directory and data server, and the AppView where a database is given. Use ``with``.

    Args:
        database: URL of an empty PostgreSQL database, for the AppView.
    """

    def __init__(self, database: str = "") -> None:
        modules = install() / "node_modules"
        self.folder = Path(tempfile.mkdtemp(prefix="clew-bluesky-"))
        """Holds all data of the servers."""
        shutil.copy(HERE / "network.mjs", self.folder)
        (self.folder / "node_modules").symlink_to(modules)
        with (self.folder / "log").open("wb") as log:
            self.process = subprocess.Popen(
                [modules / ".bin" / "node", "network.mjs", self.folder, *([database] if database else [])],
                cwd=self.folder,
                env={"NODE_ENV": "test"},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                bufsize=0,
                start_new_session=True,
            )
        self._http = httpx2.Client(trust_env=False, timeout=PATIENCE)
        self._accounts: dict[str, Account] = {}
        try:
            addresses = self._answer()
        except BaseException:
            self.close()
            raise
        self.plc: str = addresses["plc"]
        """Address of the directory of did:plc."""
        self.pds: str = addresses["pds"]
        """Address of the server that keeps the repositories."""
        self.appview: str = addresses["appview"]
        """Address of the AppView, empty where there is none."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop the servers and delete what they kept."""
        assert self.process.stdin
        assert self.process.stdout
        self._http.close()
        self.process.stdin.close()
        try:
            self.process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        self.process.stdout.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def drain(self) -> None:
        """Wait until the AppView has indexed all that was written so far."""
        assert self.process.stdin
        self.process.stdin.write(b"drain\n")
        self._answer()

    def _answer(self) -> Record:
        assert self.process.stdout
        ready, _, _ = select.select([self.process.stdout], [], [], PATIENCE)
        line = self.process.stdout.readline() if ready else b""
        answer: Record = json.loads(line) if line else {"error": "it ended" if ready else "it hangs"}
        if "error" in answer:
            log = (self.folder / "log").read_text(errors="replace")
            raise RuntimeError(f"The Bluesky network failed: {answer['error']}\n{log[-5000:]}")
        return answer

    def account(self, name: str) -> Account:
        """Return the account NAME.test, made when it is first asked for.

        A name has 3 to 18 letters and digits; some are reserved ("author", "reader").
        """
        if name not in self._accounts:
            body = {"handle": f"{name}.test", "email": f"{name}@mail.test", "password": "password"}
            self._accounts[name] = Account(self, self.ask("com.atproto.server.createAccount", body))
        return self._accounts[name]

    def ask(
        self,
        method: str,
        body: Record | bytes | None = None,
        *,
        at: str = "",
        token: str = "",
        mime: str = "",
        **query: Any,
    ) -> Record:
        """Call a method of the data server, or of the server ``at`` this address: POST where there is a body.

        Raises:
            RuntimeError: the server refused; says what it answered.
        """
        content = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        headers = {"content-type": mime or "application/json"} if content is not None else {}
        headers |= {"authorization": f"Bearer {token}"} if token else {}
        verb = "GET" if content is None else "POST"
        answer = self._http.request(
            verb, f"{at or self.pds}/xrpc/{method}", params=query, headers=headers, content=content
        )
        if answer.status_code != 200:
            raise RuntimeError(f"{method}: {answer.status_code} {answer.text}")
        return dict(answer.json()) if answer.content else {}

    def config(self, **asking: Any) -> Config:
        """Return settings for a client that may ask exactly these servers, without pauses.

        Without an AppView the data server stands in for it: it resolves handles and answers little else.
        """
        servers = [address for address in (self.plc, self.pds, self.appview) if address]
        ports = [address.rpartition(":")[2] for address in servers]
        hosts = tuple(f"{name}:{port}" for port in ports for name in ("localhost", "127.0.0.1"))
        network = msgspec.structs.replace(Asking(private_hosts=hosts, pause=0), **asking)
        return Config(network=network, bluesky=Bluesky(appview=self.appview or self.pds, plc=self.plc))


if __name__ == "__main__":
    install()
