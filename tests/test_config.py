"""Settings: where they are read, what goes before what, and what is said of wrong ones."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from clew.config import Bluesky, Config, Limits, Network, X, load
from clew.errors import InputError


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cwd").mkdir()
    monkeypatch.chdir(tmp_path / "cwd")


def written(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    return path


def test_nothing_set() -> None:
    config = load(None, {"HOME": "/home/ada"})
    assert config == Config(database="/home/ada/.local/share/clew/clew.db")
    assert (config.listen.host, config.listen.port, config.submit) == ("127.0.0.1", 8000, "local")
    assert config.limits == Limits()


def test_the_database_follows_xdg() -> None:
    assert load(None, {"HOME": "/h", "XDG_DATA_HOME": "/data"}).database == "/data/clew/clew.db"
    assert load(None, {"HOME": "/h", "XDG_DATA_HOME": "data"}).database == "/h/.local/share/clew/clew.db"


def test_the_first_file_wins(tmp_path: Path) -> None:
    environ = {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path / "xdg")}

    def title() -> str:
        return load(None, environ).site.title

    assert title() == "Clew"
    written(tmp_path / "xdg" / "clew" / "config.toml", 'site.title = "xdg"')
    assert title() == "xdg"
    assert load(None, {"HOME": str(tmp_path)}).site.title == "Clew"
    written(tmp_path / ".config" / "clew" / "config.toml", 'site.title = "home"')
    assert load(None, {"HOME": str(tmp_path)}).site.title == "home"
    written(Path("clew.toml"), 'site.title = "here"')
    assert title() == "here"
    environ["CLEW_CONFIG"] = str(written(tmp_path / "named.toml", 'site.title = "named"'))
    assert title() == "named"
    assert load(written(tmp_path / "given.toml", 'site.title = "given"'), environ).site.title == "given"


FILE = """
database = "postgresql+psycopg://localhost/clew"
submit = "nobody"
[site]
title = "Нитка"
base_url = "https://clew.example/threads/"
contact = "mailto:ada@alice.example"
about = "Kept by Ada."
[listen]
host = "::1"
port = 0
[limits]
file = 1000
[network]
offline = true
connect = 2
private_hosts = ["127.0.0.1:2583", "[::1]"]
[bluesky]
appview = "http://127.0.0.1:2584/"
plc = "https://plc.example//"
[mastodon.tokens]
"tide.example" = "abc="
[x]
token = "xyz"
api = "http://127.0.0.1:9/x/"
vocabulary = "tweet"
[telegram]
site = "https://telegram.example/"
"""


def test_every_section(tmp_path: Path) -> None:
    config = load(written(tmp_path / "c.toml", FILE), {})
    assert config.database == "postgresql+psycopg://localhost/clew"
    assert (config.site.title, config.site.base_url) == ("Нитка", "https://clew.example/threads")
    assert (config.listen.host, config.listen.port, config.submit) == ("::1", 0, "nobody")
    assert config.limits == Limits(file=1000)
    assert config.network == Network(offline=True, connect=2.0, private_hosts=("127.0.0.1:2583", "[::1]"))
    assert config.bluesky == Bluesky("http://127.0.0.1:2584", "https://plc.example")
    assert config.mastodon.tokens == {"tide.example": "abc="}
    assert config.x == X("xyz", "http://127.0.0.1:9/x", "tweet")
    assert config.telegram.site == "https://telegram.example"


def test_the_environment_goes_before_the_file(tmp_path: Path) -> None:
    environ = {
        "CLEW_DATABASE": "/tmp/x.db", "CLEW_SITE_TITLE": "80", "CLEW_SITE_BASE_URL": "http://alice.example",
        "CLEW_LISTEN_PORT": "8080", "CLEW_SUBMIT": "anyone", "CLEW_LIMITS_RATIO": "50",
        "CLEW_PORT": "tcp://10.0.0.1:80",
    }  # fmt: skip
    config = load(written(tmp_path / "c.toml", FILE), environ)
    assert (config.database, config.submit) == ("/tmp/x.db", "anyone")
    assert (config.site.title, config.site.base_url) == ("80", "http://alice.example")
    assert (config.listen.port, config.listen.host) == (8080, "::1")
    assert config.limits == Limits(file=1000, ratio=50)
    assert config.site.about == "Kept by Ada."


NETWORK = {
    "CLEW_NETWORK_OFFLINE": "1", "CLEW_NETWORK_PAUSE": "0", "CLEW_NETWORK_BODY": "1000",
    "CLEW_NETWORK_VISIT": "9.5",
    "CLEW_NETWORK_PRIVATE_HOSTS": "localhost, 127.0.0.1:80,,[::1]:80 ", "CLEW_BLUESKY_APPVIEW": "http://a.example/",
    "CLEW_MASTODON_TOKENS": " tide.example=abc==, bo.example:8443 = x-y_z ", "CLEW_X_TOKEN": "AAA%2Fbb=,c",
    "CLEW_X_VOCABULARY": "tweet", "CLEW_TELEGRAM_SITE": "http://t.example",
}  # fmt: skip


def test_the_network_by_the_environment(tmp_path: Path) -> None:
    """Each setting of the network has its variable; a list and a table stand in one line."""
    config = load(written(tmp_path / "c.toml", FILE), NETWORK)
    hosts = ("localhost", "127.0.0.1:80", "[::1]:80")
    network = Network(offline=True, pause=0.0, body=1000, visit=9.5, connect=2.0, private_hosts=hosts)
    assert config.network == network
    assert config.bluesky == Bluesky("http://a.example", "https://plc.example")
    assert config.mastodon.tokens == {"tide.example": "abc==", "bo.example:8443": "x-y_z"}
    assert config.x == X("AAA%2Fbb=,c", "http://127.0.0.1:9/x", "tweet")
    assert config.telegram.site == "http://t.example"
    none = load(written(tmp_path / "c.toml", FILE), {"CLEW_MASTODON_TOKENS": "", "CLEW_NETWORK_PRIVATE_HOSTS": ""})
    assert (none.mastodon.tokens, none.network.private_hosts) == ({}, ())


@pytest.mark.parametrize(
    ("text", "environ"),
    [
        ("x.token = ['s3cret']", {}),
        ("x.tokens = 's3cret'", {}),
        ("x.token = 's3cret", {}),
        ("x.token = s3cret", {}),
        ("mastodon.tokens = 's3cret'", {}),
        ("mastodon.tokens = ['s3cret']", {}),
        ("mastodon.tokens = {'tide.example' = ['s3cret']}", {}),
        ("mastodon.tokens = {'https://tide.example/' = 's3cret'}", {}),
        ("mastodon.token = {'tide.example' = 's3cret'}", {}),
        ("", {"CLEW_MASTODON_TOKENS": "s3cret"}),
        ("", {"CLEW_MASTODON_TOKENS": "tide.example=a,s3cret"}),
        ("", {"CLEW_MASTODON_TOKENS": "=s3cret"}),
        ("", {"CLEW_MASTODON_TOKENS": "https://tide.example=s3cret"}),
        ("", {"CLEW_MASTODON_TOKENS": "tide.example:s3cret"}),
    ],
)
def test_a_token_is_in_no_error(tmp_path: Path, text: str, environ: dict[str, str]) -> None:
    """What is said of a wrong setting, and its cause, does not repeat an access token."""
    with pytest.raises(InputError) as caught:
        load(written(tmp_path / "c.toml", text), environ)
    assert "s3cret" not in repr(caught.value) + repr(caught.value.__cause__)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("titel = 1", "A setting is wrong (Object contains unknown field `titel`)"),
        ("[site]\ntitel = 1", "Object contains unknown field `titel` - at `$.site`"),
        ("site = 1", "Expected `object`, got `int` - at `$.site`"),
        ("listen.port = 65536", "Expected `int` <= 65535 - at `$.listen.port`"),
        ("limits.file = 0", "Expected `int` >= 1 - at `$.limits.file`"),
        ("submit = 'all'", "Invalid enum value 'all' - at `$.submit`"),
        ("site.base_url = 'clew.example'", "at `$.site.base_url`"),
        ("site.base_url = 'javascript:alert(1)'", "at `$.site.base_url`"),
        ("site.title", "The configuration file is not TOML"),
    ],
)
def test_wrong_files(tmp_path: Path, text: str, what: str) -> None:
    path = written(tmp_path / "c.toml", text)
    with pytest.raises(InputError, match=re.escape(what)) as caught:
        load(path, {})
    assert caught.value.subject == str(path)
    assert caught.value.__cause__ is not None


@pytest.mark.parametrize(
    ("variable", "value", "what"),
    [
        ("CLEW_LISTEN_PORT", "http", "Expected `int`, got `str` - at `$.listen.port`"),
        ("CLEW_SUBMIT", "Anyone", "Invalid enum value 'Anyone'"),
        ("CLEW_LIMITS_TOTAL", "-1", "Expected `int` >= 1"),
        ("CLEW_NETWORK_OFFLINE", "perhaps", "Expected `bool`"),
        ("CLEW_NETWORK_WHOLE", "0", "Expected `float` > 0.0"),
        ("CLEW_NETWORK_PRIVATE_HOSTS", "http://localhost", "at `$.network.private_hosts[0]`"),
        ("CLEW_MASTODON_TOKENS", "tide.example", "Write key=value, key=value"),
    ],
)
def test_wrong_variables(variable: str, value: str, what: str) -> None:
    with pytest.raises(InputError, match=re.escape(what)) as caught:
        load(None, {"HOME": "/h", "CLEW_SITE_TITLE": "x", variable: value})
    assert caught.value.subject == variable


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "latin.toml").write_bytes(b'site.title = "\xe9"')
    with pytest.raises(InputError, match=r"cannot be opened.*No such file"):
        load(tmp_path / "none.toml", {})
    with pytest.raises(InputError, match="cannot be opened"):
        load(None, {"CLEW_CONFIG": str(tmp_path)})
    with pytest.raises(InputError, match="not text in UTF-8"):
        load(tmp_path / "latin.toml", {})


def test_settings_are_frozen() -> None:
    with pytest.raises(AttributeError):
        load(None, {"HOME": "/h"}).site.title = "x"  # type: ignore[misc]
    assert msgspec.convert(msgspec.to_builtins(Config()), Config) == Config()
