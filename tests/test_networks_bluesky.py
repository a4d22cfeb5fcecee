"""The Bluesky network of the tests: it comes and goes without a trace, and shows what is written to it."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import psutil
import pytest

import bluesky_network
from bluesky_network import Network, Posted, Record, note

POST = "app.bsky.feed.post"
PNG = b"\x89PNG\r\n\x1a\n"


def _thread(network: Network, post: Posted) -> Record:
    """The thread as the AppView shows it to readers that are not logged in."""
    shown = network.ask("app.bsky.feed.getPostThread", at=network.appview, uri=post.uri, depth=1000)
    return dict(shown["thread"])


def _texts(network: Network, did: str) -> list[str]:
    records = network.ask("com.atproto.repo.listRecords", repo=did, collection=POST, reverse="true")["records"]
    return [each["value"]["text"] for each in records]


def test_listens_on_loopback_only(bluesky_pds: Network) -> None:
    """Each server listens on 127.0.0.1, and on nothing else."""
    connections = psutil.Process(bluesky_pds.process.pid).net_connections()
    listening = [each.laddr for each in connections if each.status == psutil.CONN_LISTEN]
    assert {address.ip for address in listening} == {"127.0.0.1"}
    ports = {int(url.rpartition(":")[2]) for url in (bluesky_pds.plc, bluesky_pds.pds)}
    assert {address.port for address in listening} == ports


def test_stops_clean() -> None:
    """After ``with`` there is no process and no folder."""
    with Network() as network:
        assert network.folder.exists()
        assert psutil.pid_exists(network.process.pid)
    assert not network.folder.exists()
    assert not psutil.pid_exists(network.process.pid)


def test_dies_with_the_tests() -> None:
    """Tests that are killed leave no server and no folder."""
    script = "from bluesky_network import Network; n = Network(); print(n.process.pid, n.folder); input()"
    here = Path(bluesky_network.__file__).parent
    environ = os.environ | {"PYTHONPATH": str(here)}
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [sys.executable, "-uc", script], env=environ, stdin=pipe, stdout=pipe, text=True
    ) as tests:
        assert tests.stdout
        pid, folder = tests.stdout.readline().split()
        server = psutil.Process(int(pid))
        tests.send_signal(signal.SIGKILL)
    _, alive = psutil.wait_procs([server], timeout=60)
    for left in alive:
        left.kill()
    assert not alive
    assert not Path(folder).exists()


def test_a_failed_start_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A network that cannot start says why, and leaves no folder."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(RuntimeError, match="ECONNREFUSED"):
        Network("postgresql://127.0.0.1:1/none")
    assert not list(tmp_path.iterdir())


def test_an_unfinished_install_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An install that failed is made again; of two at a time one installs, and the other uses that."""
    npm = tmp_path / "npm"
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("CLEW_TEST_CACHE", str(tmp_path / "cache"))
    npm.write_text("#!/bin/sh\nmkdir node_modules; echo no space; exit 1\n")
    npm.chmod(npm.stat().st_mode | stat.S_IXUSR)
    with pytest.raises(RuntimeError, match="no space"):
        bluesky_network.install()
    npm.write_text(f"#!/bin/sh\nmkdir node_modules; sleep 0.2; echo once >>{tmp_path}/calls\n")
    with ThreadPoolExecutor() as pool:
        homes = list(pool.map(lambda _: bluesky_network.install(), range(3)))
    assert (tmp_path / "calls").read_text() == "once\n"
    assert len(set(homes)) == 1
    assert (homes[0] / "node_modules").is_dir()
    assert sorted(each.name for each in (tmp_path / "cache").iterdir()) == [homes[0].name, "bluesky.lock"]


def test_an_identity_leads_to_the_data_server(bluesky_pds: Network) -> None:
    """From a handle to the DID, to its document, to a server that can be dialled."""
    account = bluesky_pds.account("identity")
    resolved = bluesky_pds.ask("com.atproto.identity.resolveHandle", handle=account.handle)
    assert resolved == {"did": account.did}
    document = httpx2.get(f"{bluesky_pds.plc}/{account.did}", trust_env=False).json()
    assert document["alsoKnownAs"] == [f"at://{account.handle}"]
    assert [service["serviceEndpoint"] for service in document["service"]] == [bluesky_pds.pds]
    assert bluesky_pds.account("identity") is account


def test_posts_are_kept_until_deleted(bluesky_pds: Network) -> None:
    """Posts stand in the repository as written; a deleted one is gone."""
    account = bluesky_pds.account("keeper")
    root = account.post("one", langs=["en"], labels=["graphic-media"], created_at="2026-01-02T03:04:05.678Z")
    second = account.post("two", reply_to=root)
    third = account.post("three", reply_to=second, rkey="3zzzzzzzzzz2a")
    assert third.rkey == "3zzzzzzzzzz2a"
    found = bluesky_pds.ask("com.atproto.repo.getRecord", repo=account.did, collection=POST, rkey=third.rkey)
    assert found["value"]["reply"] == {"root": root.ref, "parent": second.ref}
    first = bluesky_pds.ask("com.atproto.repo.getRecord", repo=account.did, collection=POST, rkey=root.rkey)
    assert first["value"]["createdAt"] == "2026-01-02T03:04:05.678Z"
    assert first["value"]["labels"]["values"] == [{"val": "graphic-media"}]
    account.delete(second)
    assert _texts(bluesky_pds, account.did) == ["one", "three"]


def test_many_posts_keep_their_order(bluesky_pds: Network) -> None:
    """Posts written by the hundred have rising record keys."""
    account = bluesky_pds.account("busy")
    posts = account.create_many(note(f"{number}") for number in range(450))
    assert len(posts) == 450
    assert [each.rkey for each in posts] == sorted(each.rkey for each in posts)
    assert _texts(bluesky_pds, account.did)[:3] == ["0", "1", "2"]


def test_a_blob_is_served_as_uploaded(bluesky_pds: Network) -> None:
    """The data server gives a picture back byte by byte, once a post holds it."""
    account = bluesky_pds.account("painter")
    blob = account.upload(PNG, "image/png")
    account.post("see", embed={"$type": "app.bsky.embed.images", "images": [{"image": blob, "alt": "a dot"}]})
    query = {"did": account.did, "cid": blob["ref"]["$link"]}
    url = f"{bluesky_pds.pds}/xrpc/com.atproto.sync.getBlob"
    assert httpx2.get(url, params=query, trust_env=False).content == PNG


def test_a_deactivated_account_is_not_served(bluesky_pds: Network) -> None:
    """The repository of an account that closed cannot be read."""
    account = bluesky_pds.account("leaver")
    account.post("bye")
    account.deactivate()
    with pytest.raises(RuntimeError, match="Could not find repo"):
        _texts(bluesky_pds, account.did)


def test_the_settings_lead_here(bluesky_pds: Network) -> None:
    """A client with these settings may ask these servers, by both names of this machine."""
    config = bluesky_pds.config(requests=7)
    assert config.bluesky.plc == bluesky_pds.plc
    assert config.bluesky.appview == bluesky_pds.pds
    assert config.network.requests == 7
    for url in (bluesky_pds.plc, bluesky_pds.pds):
        port = url.rpartition(":")[2]
        assert {f"localhost:{port}", f"127.0.0.1:{port}"} <= set(config.network.private_hosts)


def test_the_appview_shows_what_is_written(bluesky_network: Network) -> None:
    """After ``drain`` the AppView shows posts, profiles and handles, and no longer what was deleted."""
    account, other = bluesky_network.account("writer1"), bluesky_network.account("visitor1")
    account.put_profile(displayName="An author", labels=["!no-unauthenticated"])
    root = account.post("one")
    replies = [other.post("hello", reply_to=root), account.post("two", reply_to=root)]
    bluesky_network.drain()
    thread = _thread(bluesky_network, root)
    assert {each["post"]["uri"] for each in thread["replies"]} == {each.uri for each in replies}
    author = thread["post"]["author"]
    assert (author["displayName"], author["handle"]) == ("An author", account.handle)
    assert [label["val"] for label in author["labels"]] == ["!no-unauthenticated"]
    resolve = "com.atproto.identity.resolveHandle"
    resolved = bluesky_network.ask(resolve, at=bluesky_network.appview, handle=other.handle)
    assert resolved == {"did": other.did}
    account.delete(replies[1])
    bluesky_network.drain()
    assert [each["post"]["uri"] for each in _thread(bluesky_network, root)["replies"]] == [replies[0].uri]


def test_gates_and_blocks_take_effect(bluesky_network: Network) -> None:
    """A detached quote, a hidden reply and a block are what the AppView makes of these records."""
    account, other = bluesky_network.account("gatherer"), bluesky_network.account("quoter")
    root = account.post("one")
    quote = other.post("look", embed={"$type": "app.bsky.embed.record", "record": root.ref})
    reply = other.post("no", reply_to=root)
    account.detach(root, quote)
    account.hide(root, reply)
    bluesky_network.drain()
    shown = _thread(bluesky_network, quote)["post"]["embed"]["record"]
    assert shown["$type"] == "app.bsky.embed.record#viewDetached"
    gate = _thread(bluesky_network, root)["post"]["threadgate"]["record"]
    assert gate["hiddenReplies"] == [reply.uri]
    account.block(other.did)
    bluesky_network.drain()
    assert _thread(bluesky_network, reply)["parent"]["$type"] == "app.bsky.feed.defs#blockedPost"


def test_the_appview_shows_ten_levels(bluesky_network: Network) -> None:
    """However deep a reader asks, the AppView cuts a thread, as the public one does."""
    account = bluesky_network.account("talker")
    posts = [account.post("0")]
    for number in range(1, 15):
        posts.append(account.post(f"{number}", reply_to=posts[-1]))
    bluesky_network.drain()
    shown = [_thread(bluesky_network, posts[0])]
    while replies := shown[-1].get("replies"):
        shown.append(replies[0])
    assert [each["post"]["uri"] for each in shown] == [each.uri for each in posts[:11]]


def test_the_whole_network_listens_on_loopback_only(bluesky_network: Network) -> None:
    """With the AppView there are more servers; all listen on 127.0.0.1."""
    connections = psutil.Process(bluesky_network.process.pid).net_connections()
    listening = [each.laddr.ip for each in connections if each.status == psutil.CONN_LISTEN]
    assert len(listening) == 5  # directory, data server, AppView, its data plane, its synchronisation
    assert set(listening) == {"127.0.0.1"}
