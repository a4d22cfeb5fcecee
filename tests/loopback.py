"""A server on this machine that says byte for byte what a test wants, and notes what it was asked."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import NamedTuple

import httpcore2


@contextmanager
def answering(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """Let a handler of HTTP answer on a free port; yield the address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Asked(NamedTuple):
    """One request: its path with the query, and its headers with names in lower case."""

    path: str
    headers: dict[str, str]


class Line:
    """What a test's answer speaks through: the connection to the client."""

    def __init__(self, to: socket.socket, stopped: threading.Event) -> None:
        self._to, self._stopped = to, stopped

    def send(self, data: bytes) -> None:
        self._to.sendall(data)

    def drip(self, piece: bytes, pause: float = 0.02) -> None:
        """Send the piece again and again, until the client has enough."""
        while not self._stopped.wait(pause):
            self._to.sendall(piece)

    def wait(self) -> None:
        """Say nothing, until the client hangs up."""
        while self._to.recv(1024):
            pass

    def reset(self) -> None:
        """Break the connection as a crash does."""
        self._to.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raise ConnectionAbortedError

    def hang_up(self) -> None:
        """Close the connection in good order."""
        raise ConnectionAbortedError


Answer = bytes | Callable[[Line], None]


class Loopback:
    """Answers each path with what stands there: bytes, a function of the line, or a list of them, the last again
    and again. A context manager; ``asked`` are the requests so far, ``dials`` how many connections were made."""

    def __init__(self, answers: dict[str, Answer | list[Answer]], tls: ssl.SSLContext | None = None) -> None:
        self.answers, self.asked, self.dials = answers, list[Asked](), 0
        self._tls = tls
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self.host = f"127.0.0.1:{self.port}"
        self.url = f"http{'s' if tls else ''}://{self.host}"
        self._stopped = threading.Event()
        self._lines: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]

    def __enter__(self) -> Loopback:
        self._threads[0].start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self._stopped.set()
        self._socket.shutdown(socket.SHUT_RDWR)
        self._threads[0].join()
        self._socket.close()
        for line in self._lines:
            _close(line)
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        while not self._stopped.is_set():
            try:
                line, _ = self._socket.accept()
            except OSError:
                return
            self.dials += 1
            self._lines.append(line)
            thread = threading.Thread(target=self._serve, args=(line,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, line: socket.socket) -> None:
        try:
            talk = self._tls.wrap_socket(line, server_side=True) if self._tls else line
            with talk:
                while asked := _request(talk):
                    self.asked.append(asked)
                    self._answer(asked, Line(talk, self._stopped))
        except OSError:
            pass  # the client hung up, or the answer is to break off
        finally:
            _close(line)

    def _answer(self, asked: Asked, line: Line) -> None:
        answer = self.answers[asked.path]
        if isinstance(answer, list):
            answer = answer.pop(0) if len(answer) > 1 else answer[0]
        if isinstance(answer, bytes):
            line.send(answer)
        else:
            answer(line)


def _request(line: socket.socket) -> Asked | None:
    head = b""
    while b"\r\n\r\n" not in head:
        part = line.recv(65536)
        if not part:
            return None
        head += part
    first, *rest = head.decode("latin-1").split("\r\n\r\n")[0].split("\r\n")
    pairs = (header.split(": ", 1) for header in rest)
    return Asked(first.split(" ")[1], {name.lower(): value for name, value in pairs})


def _close(line: socket.socket) -> None:
    with contextlib.suppress(OSError):  # it is closed
        line.shutdown(socket.SHUT_RDWR)
    line.close()


def response(body: bytes = b"", status: str = "200 OK", **headers: str) -> bytes:
    """Return a proper answer. ``_`` in the name of a header stands for ``-``."""
    head = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}"]
    head += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*head, "", ""]).encode("latin-1") + body


class Elsewhere(httpcore2.NetworkBackend):
    """An internet in which each address leads to a server of this machine, and TLS ends in front of it.

    ``dials`` are the addresses that were dialled.
    """

    def __init__(self, port: int) -> None:
        self._port, self.dials = port, list[tuple[str, int]]()

    def connect_tcp(
        self, host: str, port: int, timeout: float | None = None, *_: object
    ) -> httpcore2.NetworkStream:
        self.dials.append((host, port))
        return _Plain(httpcore2.SyncBackend().connect_tcp("127.0.0.1", self._port, timeout))


class _Plain(httpcore2.NetworkStream):
    """A connection on which a handshake of TLS does nothing."""

    def __init__(self, inner: httpcore2.NetworkStream) -> None:
        self.read, self.write, self.close = inner.read, inner.write, inner.close  # type: ignore[method-assign]
        self.get_extra_info = inner.get_extra_info  # type: ignore[method-assign]

    def start_tls(self, *_: object, **__: object) -> httpcore2.NetworkStream:
        return self
