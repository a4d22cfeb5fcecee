"""Time stamps by an authority of the test's own: OpenSSL behind a server on this machine."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import NamedTuple

import pytest

from clew import flow, reading
from clew.errors import InputError, SourceError
from clew.evidence import verify
from clew.stamps import ANSWERS, ASKS, beside, moment_of, stamp

CASE = Path(__file__).parent / "cases/bluesky/thread_v2/capture.json"
_SETTINGS = """
[ req ]
distinguished_name = name
prompt = no
[ name ]
CN = {name}
[ root ]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign
[ signer ]
basicConstraints = CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = critical, timeStamping
[ tsa ]
default_tsa = here
[ here ]
serial = {folder}/serial
crypto_device = builtin
signer_cert = {folder}/signer.pem
signer_key = {folder}/signer.key
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256
accuracy = secs:1
ess_cert_id_chain = no
ess_cert_id_alg = sha256
"""


class Authority(NamedTuple):
    folder: Path
    ask: Callable[[bytes], bytes]

    @property
    def root(self) -> bytes:
        return (self.folder / "root.pem").read_bytes()


def openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)


def established(folder: Path, name: str) -> None:
    """Make the keys and certificates of an authority."""
    (folder / "settings").write_text(_SETTINGS.format(folder=folder, name=name))
    (folder / "serial").write_text("01\n")
    new = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-config", "settings")
    openssl(folder, "req", "-x509", *new, "-extensions", "root", "-keyout", "root.key", "-out", "root.pem")
    openssl(folder, "req", *new, "-subj", f"/CN={name} signer", "-keyout", "signer.key", "-out", "signer.csr")
    signing = ("-in", "signer.csr", "-CA", "root.pem", "-CAkey", "root.key", "-set_serial", "7")
    openssl(folder, "x509", "-req", *signing, "-extfile", "settings", "-extensions", "signer", "-out", "signer.pem")


class _Handler(BaseHTTPRequestHandler):
    folder: Path

    def do_POST(self) -> None:
        assert self.headers["content-type"] == ASKS
        (self.folder / "query").write_bytes(self.rfile.read(int(self.headers["content-length"])))
        made = ("-config", "settings", "-section", "here", "-queryfile", "query", "-out", "reply")
        openssl(self.folder, "ts", "-reply", *made)
        body = (self.folder / "reply").read_bytes()
        self.send_response(200)
        self.send_header("content-type", ANSWERS)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Authority]:
    folder = tmp_path_factory.mktemp("authority")
    established(folder, "Authority of the test")
    server = HTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"folder": folder}))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()

    def ask(request: bytes) -> bytes:
        connection = HTTPConnection("127.0.0.1", server.server_address[1])
        connection.request("POST", "/", request, {"content-type": ASKS})
        body = connection.getresponse().read()
        connection.close()
        return body

    yield Authority(folder, ask)
    server.shutdown()
    thread.join()
    server.server_close()


DATA = b"the manifest of a thread"


def test_a_stamp_tells_when(authority: Authority, tmp_path: Path) -> None:
    """A stamp is of this very data and of now; OpenSSL holds it to be good too, with the files side by side."""
    before = datetime.now(UTC) - timedelta(seconds=1)
    answer = stamp(DATA, authority.ask)
    assert before <= moment_of(DATA, answer, [authority.root]) <= datetime.now(UTC) + timedelta(seconds=1)
    file = tmp_path / "thread.manifest.json"
    file.write_bytes(DATA)
    beside(file).write_bytes(answer)
    root = str(authority.folder / "root.pem")
    openssl(tmp_path, "ts", "-verify", "-data", file.name, "-in", f"{file.name}.tsr", "-CAfile", root)


def test_a_stamp_of_something_else_does_not_hold(authority: Authority, tmp_path: Path) -> None:
    """Other data, another authority, a damaged stamp and none at all are told apart from a good one."""
    answer = stamp(DATA, authority.ask)
    established(tmp_path, "Somebody else")
    other = (tmp_path / "root.pem").read_bytes()
    for data, given, root in (
        (DATA + b"!", answer, authority.root),
        (DATA, answer, other),
        (DATA, answer[:-20] + bytes(20), authority.root),
        (DATA, b"", authority.root),
        (DATA, b"<html>", authority.root),
    ):
        with pytest.raises(SourceError):
            moment_of(data, given, [root])


def test_an_authority_that_answers_for_another_is_found_out(authority: Authority) -> None:
    """An answer to an earlier request, a refusal and a page of a proxy are no stamps."""
    earlier = stamp(DATA, authority.ask)
    with pytest.raises(SourceError, match="something else"):
        stamp(DATA, lambda _: earlier)
    for answer, told in (
        (bytes.fromhex("30053003020102"), "refused"),
        (b"<html>", "not a time"),
        (b"", "not a time"),
    ):
        with pytest.raises(SourceError, match=told):
            stamp(DATA, lambda _, answer=answer: answer)


def test_what_cannot_be_stamped_is_said(authority: Authority) -> None:
    """An empty file and certificates that are none are errors in words."""
    with pytest.raises(InputError, match="nothing to stamp"):
        stamp(b"", authority.ask)
    for roots in ([], [b"none"]):
        with pytest.raises(InputError, match="certificates"):
            moment_of(DATA, stamp(DATA, authority.ask), roots)


def test_a_verdict_tells_of_the_stamp(authority: Authority, tmp_path: Path) -> None:
    """What stands beside a file is part of its verdict: unread without an authority, false of another file."""
    file = tmp_path / "thread.json"
    with reading.opened(CASE) as opened:
        file.write_bytes(flow.export(opened.one(), "json"))
    assert "stamp" not in verify(file).sentence
    beside(file).write_bytes(stamp(file.read_bytes(), authority.ask))
    assert "no authority was named" in verify(file).sentence
    good = verify(file, authorities=[authority.root])
    assert good.holds
    assert f"{datetime.now(UTC):%Y}" in good.sentence
    assert "says the authority" in good.sentence
    beside(file).write_bytes(stamp(DATA, authority.ask))
    assert not verify(file, authorities=[authority.root]).holds
