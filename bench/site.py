"""Requests a second for a thread's page, beside the same bytes as a static file; and pages a second of a build.

    python bench/site.py [--threads 1000] [--rounds 9]

One server process answers everything, turn by turn: the file by Starlette's own StaticFiles, the page by a site
with memory and by one without. Four connections ask as fast as they are answered.
"""

# ruff: noqa: A005  it is started, never imported

from __future__ import annotations

import argparse
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

import clew.store
from clew import flow, site, web
from clew.config import Config, Listen
from clew.store import Store

WORDS = "the tide gauge on north pier rose while nobody looked and the log says so three metres at noon".split()
START = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
CONNECTIONS, SECONDS = 4, 0.5


def paste(number: int, posts: int) -> str:
    lines = []
    for n in range(1, posts + 1):
        words = " ".join(WORDS[(number * 7 + n * 5 + place) % len(WORDS)] for place in range(45))
        lines.append(f"Thread {number}: {words}. {n}/{posts}")
    return "\n\n".join(lines) + "\n"


def keep(store: Store, number: int, posts: int) -> str:
    when = (START + timedelta(minutes=number)).isoformat()
    with flow.opened(paste(number, posts), author=f"@author{number % 100}", published=when) as reading:
        return flow.save(store, reading, reading.one())


# --- requests ------------------------------------------------------------------------------------------------


def serve(database: str, folder: str) -> None:
    """Serve all that is compared, until the process is ended; print the port."""
    with clew.store.open(database) as store, web.listener("127.0.0.1", 0) as listener:
        app = Starlette(
            routes=[
                Mount("/file", StaticFiles(directory=folder)),
                Mount("/cold", web.app(store, Config(listen=Listen(cache=0)))),
                Mount("/hot", web.app(store, Config())),
            ]
        )
        print(listener.getsockname()[1], flush=True)
        web.server(app).run(sockets=[listener])


def ask(connection: socket.socket, request: bytes) -> tuple[bytes, bytes]:
    """Return head and body of one answer."""
    connection.sendall(request)
    data = b""
    while (end := data.find(b"\r\n\r\n")) < 0:
        data += connection.recv(262144)
    head, rest = data[:end].lower(), [data[end + 4 :]]
    length = int(head.partition(b"content-length: ")[2].split(b"\r")[0] or 0)
    size = len(rest[0])
    while size < length:
        rest.append(connection.recv(262144))
        size += len(rest[-1])
    return head, b"".join(rest)


def load(port: int, request: bytes, times: list[float]) -> float:
    """Ask over four connections for half a second; return requests a second, and note how long each took."""
    end = time.perf_counter() + SECONDS

    def one() -> None:
        with socket.create_connection(("127.0.0.1", port)) as connection:
            while (begun := time.perf_counter()) < end:
                ask(connection, request)
                own.append(time.perf_counter() - begun)

    own: list[float] = []
    askers = [threading.Thread(target=one) for _ in range(CONNECTIONS)]
    begun = time.perf_counter()
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join()
    times += own
    return len(own) / (time.perf_counter() - begun)


def requests(folder: Path, rounds: int) -> None:
    with clew.store.open(folder / "clew.db") as store:
        key = keep(store, 0, 50)
        page = site.render(store, Config().site, f"/t/{key}/").body
    (folder / "static").mkdir()
    (folder / "static" / "page.html").write_bytes(page)
    command = [sys.executable, __file__, "--serve", str(folder / "clew.db"), str(folder / "static")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            report(int(process.stdout.readline()), key, page, rounds)
        finally:
            process.terminate()


def report(port: int, key: str, page: bytes, rounds: int) -> None:
    def request(path: str, *lines: str) -> bytes:
        return "\r\n".join([f"GET {path} HTTP/1.1", "Host: localhost", *lines, "\r\n"]).encode()

    with socket.create_connection(("127.0.0.1", port)) as connection:
        tags = {}
        for path in ("/file/page.html", f"/hot/t/{key}/", f"/cold/t/{key}/"):
            head, body = ask(connection, request(path))
            assert body == page, path
            tags[path] = head.partition(b"\r\netag: ")[2].split(b"\r")[0].decode()
        file, hot, cold = tags
    cases = {
        "static file": request(file),
        "page from memory": request(hot),
        "page from memory, compressed": request(hot, "Accept-Encoding: gzip"),
        "page made anew": request(cold),
        "static file, 304": request(file, f"If-None-Match: {tags[file]}"),
        "page from memory, 304": request(hot, f"If-None-Match: {tags[hot]}"),
        "page made anew, 304": request(cold, f"If-None-Match: {tags[cold]}"),
    }
    rates: dict[str, list[float]] = {name: [] for name in cases}
    times: dict[str, list[float]] = {name: [] for name in cases}
    for asked in cases.values():
        load(port, asked, [])  # once to warm up
    for _ in range(rounds):
        for name, asked in cases.items():
            rates[name].append(load(port, asked, times[name]))
    print(f"A thread of 50 posts, {len(page) / 1024:.0f} KiB of HTML, {CONNECTIONS} connections\n")
    print("| answer | requests/s | of the static rate | p50, ms | p99, ms |\n|---|---|---|---|---|")
    for name in cases:
        beside = rates["static file, 304" if "304" in name else "static file"]
        ratio = statistics.median(a / b for a, b in zip(rates[name], beside, strict=True))
        cuts = statistics.quantiles(times[name], n=100)
        rate = statistics.median(rates[name])
        print(f"| {name} | {rate:,.0f} | {ratio:.2f} | {cuts[49] * 1000:.1f} | {cuts[98] * 1000:.1f} |")


# --- building ------------------------------------------------------------------------------------------------


def build(folder: Path, threads: int) -> None:
    with clew.store.open(folder / "many.db") as store:
        for number in range(threads):
            keep(store, number, 5)
        print(f"\nA build of {threads:,} threads of 5 posts by 100 authors\n")
        print("| build | seconds | threads/s | files/s | files | files written |\n|---|---|---|---|---|---|")
        told("the first", store, folder / "out", threads)
        told("nothing changed", store, folder / "out", threads)
        keep(store, threads, 5)
        told("one thread is new", store, folder / "out", threads)


def told(name: str, store: Store, out: Path, threads: int) -> None:
    before = stamps(out)
    begun = time.perf_counter()
    files = site.build(store, Config(), out)
    seconds = time.perf_counter() - begun
    written = sum(before.get(path) != stamp for path, stamp in stamps(out).items())
    print(f"| {name} | {seconds:.1f} | {threads / seconds:.0f} | {files / seconds:.0f} | {files:,} | {written:,} |")


def stamps(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--serve", nargs=2)
    told_ = parser.parse_args()
    if told_.serve:
        serve(*told_.serve)
        return
    with tempfile.TemporaryDirectory(prefix="clew-bench-") as folder:
        requests(Path(folder), told_.rounds)
        build(Path(folder), told_.threads)


if __name__ == "__main__":
    main()
