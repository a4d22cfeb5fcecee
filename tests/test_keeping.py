"""What the store keeps: saved once, derived the same, grown, checked, and forgotten without a trace."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import pytest

from clew import config, flow, keeping, reading, site, store
from clew.errors import Refused, StoreError
from clew.fetch import VISIT
from clew.model import Capture, Post, Thread, Tombstone
from clew.store import Store
from conftest import Server

ADA = {"did": "did:plc:adaadaadaadaadaadaadaada", "handle": "ada.example", "displayName": "Ada Secretname"}
BEN = {"did": "did:plc:benbenbenbenbenbenbenben", "handle": "ben.example", "displayName": "Ben Otherman"}


def view(
    author: dict[str, Any], key: str, text: str, parent: str = "", root: str = "", **more: Any
) -> dict[str, Any]:
    record: dict[str, Any] = {
        "$type": "app.bsky.feed.post",
        "createdAt": f"2026-03-0{key[-1]}T08:00:00Z",
        "text": text,
    }
    if parent:
        record["reply"] = {"parent": {"uri": parent, "cid": "c"}, "root": {"uri": root or parent, "cid": "c"}}
    return {
        "uri": f"at://{author['did']}/app.bsky.feed.post/{key}",
        "cid": "c",
        "author": author,
        "record": record | more,
        "replyCount": 0,
        "indexedAt": record["createdAt"],
    }


def uri(author: dict[str, Any], key: str) -> str:
    return f"at://{author['did']}/app.bsky.feed.post/{key}"


def answer(*views: dict[str, Any]) -> str:
    return json.dumps({"posts": list(views)})


A1 = view(ADA, "a1", "Ada begins with a secretword and goes on 1/")
A2 = view(ADA, "a2", "then ends with another secretword 2/", uri(ADA, "a1"))
A3 = view(ADA, "a3", "and a secretword later 3/", uri(ADA, "a2"), uri(ADA, "a1"))
B1 = view(BEN, "b1", "Ben asks", uri(ADA, "a2"), uri(ADA, "a1"))
B2 = view(BEN, "b4", "Ben has his own thread and quotes Ada", embed={"$type": "app.bsky.embed.record"})


@pytest.fixture
def kept(store_url: str) -> Iterator[Store]:
    with store.open(store_url) as opened:
        yield opened


def save(kept: Store, path: Path, *views: dict[str, Any], post: str = "") -> str:
    path.write_text(answer(*views))
    with reading.opened(path) as opened:
        return keeping.save(kept, opened, opened.one(post))


def test_saving_again_changes_nothing(kept: Store, tmp_path: Path) -> None:
    """Saving is idempotent: not a row differs."""
    key = save(kept, tmp_path / "a.json", A1, A2)
    before = list(kept.dump())
    assert save(kept, tmp_path / "a.json", A1, A2) == key
    assert list(kept.dump()) == before


def test_a_kept_thread_grows(kept: Store, tmp_path: Path) -> None:
    """A later, longer answer is put together with the earlier one, under the same key."""
    key = save(kept, tmp_path / "a.json", A1, A2)
    assert save(kept, tmp_path / "b.json", A2, A3, post=uri(ADA, "a3")) == key
    assert [item.id for item in kept.thread(key).items] == [uri(ADA, k) for k in ("a1", "a2", "a3")]
    assert kept.count() == 1


def test_a_kept_thread_finds_its_head(kept: Store, tmp_path: Path) -> None:
    """When the head turns up later, the thread moves to it, and the old key leads there."""
    tail = view(ADA, "a3", "a tail whose root is a mistake", uri(ADA, "a2"))
    old = save(kept, tmp_path / "a.json", tail, post=uri(ADA, "a3"))
    new = save(kept, tmp_path / "b.json", A1, A2, tail)
    assert old != new
    assert kept.count() == 1
    assert kept.thread(old) == kept.thread(new)


def test_rebuild_gives_the_same_rows(kept: Store, tmp_path: Path) -> None:
    """Everything derived can be dropped and comes back byte for byte."""
    save(kept, tmp_path / "a.json", A1, A2, A3)
    save(kept, tmp_path / "b.json", B2)
    before = list(kept.dump())
    assert len(list(keeping.rebuild(kept))) == 2
    assert list(kept.dump()) == before


def test_check_finds_nothing_in_a_sound_store(kept: Store, tmp_path: Path) -> None:
    """A store that nobody touched holds."""
    save(kept, tmp_path / "a.json", A1, A2)
    assert not [finding for finding in keeping.check(kept) if isinstance(finding, keeping.Finding)]


def test_check_finds_a_changed_capture(kept: Store, tmp_path: Path) -> None:
    """One changed character in a capture is found, and named."""
    key = save(kept, tmp_path / "a.json", A1, A2)
    (capture,) = kept.captures(kept.thread(key).id)
    with kept.writing() as writer:
        writer.redact(capture.sha256, capture.body.replace(b"begins", b"starts"))
    found = [finding.what for finding in keeping.check(kept) if isinstance(finding, keeping.Finding)]
    assert any("is not what its capture says" in what for what in found)


def test_check_finds_a_body_that_is_not_its_digest(tmp_path: Path) -> None:
    """A body that was changed behind Clew's back does not have its digest any more."""
    import sqlite3

    path = tmp_path / "store.db"
    with store.open(path) as kept:
        save(kept, tmp_path / "a.json", A1, A2)
    with sqlite3.connect(path) as raw:
        raw.execute("UPDATE capture SET body = CAST(REPLACE(CAST(body AS TEXT), 'Ben', 'Bob') || ' ' AS BLOB)")
    raw.close()
    with store.open(path) as kept:
        found = [finding.what for finding in keeping.check(kept) if isinstance(finding, keeping.Finding)]
    assert any("is not what was received" in what for what in found)


def test_nothing_is_half_saved(kept: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A failure in the middle of saving leaves the store as it was."""
    before = list(kept.dump())

    def fail(*_: object) -> None:
        raise StoreError("The disk is full")

    monkeypatch.setattr(keeping, "derive", fail)
    with pytest.raises(StoreError):
        save(kept, tmp_path / "a.json", A1, A2)
    assert list(kept.dump()) == before


# -- looking again ------------------------------------------------------------------------------------------------

ADDRESS = "https://bsky.app/profile/ada.example/post/a1"
START = datetime(2026, 6, 1, tzinfo=UTC)


class Visit(reading.Reading):
    """Answers that came from addresses, as fetching leaves them."""

    def __init__(self, *answers: Capture, url: str = ADDRESS) -> None:
        self.source, self.url, self._answers = keeping.source_named("bluesky"), url, answers

    def captures(self, thread: Thread) -> list[Capture]:
        return list(self._answers)

    def save(self, kept: Store, post: str = uri(ADA, "a1")) -> str:
        return keeping.save(kept, self, reading.derive(self.source, self._answers, post, "longest"))


def answered(day: int, *views: dict[str, Any], url: str = "https://api.example/posts") -> Capture:
    body = answer(*views).encode()
    when = START + timedelta(days=day)
    return Capture(sha256(body).hexdigest(), body, "application/json", when, url, 200)


def test_looking_again_notes_when(kept: Store) -> None:
    """An address that is asked again is kept with the time; the same answers, with their first and last time."""
    for day in range(5):
        key = Visit(answered(day, A1, A2)).save(kept)
    saving = kept.saving(key)
    assert (saving.url, saving.looked) == (ADDRESS, START + timedelta(days=4))
    assert kept.captures(key) == [answered(0, A1, A2), answered(4, A1, A2)]
    before = list(kept.dump())
    Visit(answered(4, A1, A2)).save(kept)
    assert list(kept.dump()) == before
    assert sound(kept)


def test_a_look_that_finds_more_lets_the_thread_grow(kept: Store) -> None:
    """What came earlier stays beside what came later, each as it was received."""
    first, second = answered(0, A1, A2), answered(1, A1, A2, A3)
    key = Visit(first).save(kept)
    assert Visit(second).save(kept) == key
    assert kept.captures(key) == [first, second]
    assert kept.thread(key).certificate.found == 3


def test_a_file_does_not_take_the_address_away(kept: Store, tmp_path: Path) -> None:
    """A thread that has an address keeps it, and when it was asked, when a file or another head is put to it."""
    tail = view(ADA, "a3", "a tail whose root is a mistake", uri(ADA, "a2"))
    key = Visit(answered(0, tail)).save(kept, uri(ADA, "a3"))
    new = save(kept, tmp_path / "a.json", A1, A2, tail)
    assert new != key
    assert kept.saving(new).url == ADDRESS
    assert kept.saving(new).looked == START
    with kept.writing() as writer:
        writer.looked(new, START + timedelta(days=9))
    Visit(answered(3, A1, A2)).save(kept)
    assert kept.saving(new).looked == START + timedelta(days=9)
    assert sound(kept)


def test_forget_reaches_every_address_of_a_body(kept: Store) -> None:
    """The same body under several addresses and in several threads is redacted for all of them; of the headers
    stays only which visit it was."""
    there = [answered(day, A1, A2, B2, url=f"https://api.example/{day % 2}") for day in range(4)]
    there = [
        msgspec.structs.replace(c, headers={"x-by": "Ada Secretname", VISIT: c.retrieved.isoformat()})
        for c in there
    ]
    for post in (uri(ADA, "a1"), uri(BEN, "b4")):
        Visit(*there).save(kept, post)
    keeping.forget(kept, "@ada.example", "test")
    (saving,) = kept.savings()
    captures = kept.captures(saving.thread)
    assert [(c.url, c.retrieved) for c in captures] == [(c.url, c.retrieved) for c in there]
    assert [capture.headers for capture in captures] == [{VISIT: c.retrieved.isoformat()} for c in there]
    assert "ecret" not in str(list(kept.dump()))
    assert saving.url == ADDRESS
    assert sound(kept)


# -- consent ------------------------------------------------------------------------------------------------------


def everything(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


QUOTING = view(BEN, "b4", "Ben quotes somebody") | {
    "embed": {
        "$type": "app.bsky.embed.record#view",
        "record": {
            "$type": "app.bsky.embed.record#viewRecord",
            "uri": uri(ADA, "a1"),
            "cid": "c",
            "author": ADA,
            "value": A1["record"],
            "indexedAt": "2026-03-01T08:00:00Z",
        },
    }
}
QUOTING["record"]["embed"] = {"$type": "app.bsky.embed.record", "record": {"uri": uri(ADA, "a1"), "cid": "c"}}


def test_forget_leaves_no_trace_in_any_file(tmp_path: Path) -> None:
    """After forget no file of the store (WAL included), of a build or of an export holds the author's words."""
    home = tmp_path / "home"
    home.mkdir()
    given = tmp_path / "given"
    given.mkdir()
    settings = config.Config()
    with store.open(home / "store.db") as kept:
        own = save(kept, given / "a.json", A1, A2, A3, B1, post=uri(ADA, "a1"))
        quoting = save(kept, given / "b.json", QUOTING)
        site.build(kept, settings, home / "public")
        exported = flow.export(kept.thread(own), "markdown")
        (home / "export.md").write_bytes(exported)
        (home / "mine.md").write_text("My own notes, put in the place of an export")
        with kept.writing() as writer:
            for name in ("export.md", "mine.md"):
                kind = f"export {sha256(exported).hexdigest()}"
                writer.put_output(str(home / name), kind, [kept.thread(own).id])
        assert b"secretword" in everything(home)
        done = keeping.forget(kept, "@ada.example", "test")
        cleaned = site.sweep(kept, settings, done)
        assert str(home / "mine.md") not in cleaned
        assert (home / "mine.md").read_text().startswith("My own notes")
        assert b"secretword" not in everything(home)
        assert b"Secretname" not in everything(home)
        thread = kept.thread(quoting)
        assert [item.content for item in thread.items if isinstance(item, Post)] == ["Ben quotes somebody"]
        assert next(iter(kept.deletions())).actor == ADA["did"]
        with pytest.raises(StoreError):
            kept.thread(own)
        assert not [finding for finding in keeping.check(kept) if isinstance(finding, keeping.Finding)]
        before = list(kept.dump())
        list(keeping.rebuild(kept))
        assert list(kept.dump()) == before
    assert b"secretword" not in everything(home)


def test_forgetting_a_replier_leaves_the_thread(kept: Store, tmp_path: Path) -> None:
    """Who only appears in another's thread leaves a tombstone there, and nothing else changes."""
    answer_ = view(ADA, "a5", "Ada answers Ben", uri(BEN, "b1"), uri(ADA, "a1"))
    key = save(kept, tmp_path / "a.json", A1, A2, B1, answer_, post=uri(ADA, "a1"))
    posts = kept.thread(key).items
    keeping.forget(kept, BEN["did"], "test")
    thread = kept.thread(key)
    assert thread.items == posts
    (aside,) = thread.asides
    assert isinstance(aside.answered[0], Tombstone)
    assert aside.answered[0].reason == "forgotten"
    assert b"Ben asks" not in b"".join(capture.body for capture in kept.captures(thread.id))


def test_an_opt_out_stands(kept: Store, tmp_path: Path) -> None:
    """Saving again is refused while an opt-out stands, and works once it is lifted."""
    save(kept, tmp_path / "a.json", A1, A2)
    keeping.forget(kept, "@ada.example", "test")
    with pytest.raises(Refused):
        save(kept, tmp_path / "a.json", A1, A2)
    assert kept.count() == 0
    with kept.writing() as writer:
        assert writer.lift_opt_out(str(ADA["did"]))
    save(kept, tmp_path / "b.json", A1, A2, A3)
    assert kept.count() == 1


def test_an_opt_out_by_address_is_heard(kept: Store, tmp_path: Path) -> None:
    """Who asked before anything of theirs was seen, and is known by an address, is known again by it."""
    keeping.forget(kept, "https://bsky.app/profile/ada.example", "test")
    with pytest.raises(Refused):
        save(kept, tmp_path / "a.json", A1, A2)
    quoting = save(kept, tmp_path / "b.json", QUOTING)
    assert b"secretword" not in b"".join(capture.body for capture in kept.captures(quoting))


def test_pictures_of_who_opted_out_are_not_kept(kept: Store, tmp_path: Path) -> None:
    """A picture that came with a quoted post goes where the post goes; another's stays."""
    urls = ("https://pictures.example/ada.png", "https://pictures.example/ben.png")
    shown = [{"$type": "app.bsky.embed.images#view", "images": [{"fullsize": url, "alt": ""}]} for url in urls]
    views = [view(ADA, "a1", "Look"), view(BEN, "b4", "And here", uri(ADA, "a1"))]
    (tmp_path / "a.json").write_text(answer(*(v | {"embed": e} for v, e in zip(views, shown, strict=True))))
    times = datetime(2026, 3, 9, tzinfo=UTC)
    pictures = [
        Capture(sha256(url.encode()).hexdigest(), url.encode(), "image/png", times, url=url, status=200)
        for url in urls
    ]
    keeping.forget(kept, str(ADA["did"]), "test")
    with reading.opened(tmp_path / "a.json") as opened, kept.writing() as writer:
        captures = opened.captures(opened.one(uri(BEN, "b4")))
        stored = keeping.put_captures(writer, opened.source, [*captures, *pictures])
    assert [capture.body for capture in stored[-2:]] == [b"", urls[1].encode()]


def test_who_opted_out_is_left_out_of_others_threads(kept: Store, tmp_path: Path) -> None:
    """The words of an author who opted out are not kept even as a quote."""
    keeping.forget(kept, str(ADA["did"]), "test")
    key = save(kept, tmp_path / "b.json", QUOTING)
    thread = kept.thread(key)
    assert not thread.quoted
    assert b"secretword" not in b"".join(capture.body for capture in kept.captures(thread.id))


def test_logged_in_readers_only_is_honoured(kept: Store, tmp_path: Path) -> None:
    """An author who shows posts only to people who are logged in is not published."""
    label = {"src": ADA["did"], "uri": ADA["did"], "val": "!no-unauthenticated", "cts": "2026-01-01T00:00:00Z"}
    with pytest.raises(Refused):
        save(kept, tmp_path / "a.json", view(ADA | {"labels": [label]}, "a1", "Not for everybody"))
    assert kept.count() == 0


MARKER = "plantedmarker"


def archive(path: Path) -> None:
    """An archive of X with a marker in everything that is not a public post."""
    tweets = []
    for n in (1, 2, 3):
        links = {"in_reply_to_status_id_str": f"179000000000000000{n - 1}", "in_reply_to_user_id_str": "7"}
        tweet = {"id_str": f"179000000000000000{n}", "full_text": f"The log, part {n} of it {n}/"}
        tweet |= {"created_at": f"Mon Mar 0{n} 09:00:00 +0000 2026"} | (links if n > 1 else {})
        tweets.append({"tweet": tweet})
    account = [{"account": {"accountId": "7", "username": "ada_quay", "accountDisplayName": "Ada"}}]
    planted = [{"dmConversation": {"messages": [{"messageCreate": {"text": MARKER}}]}}]
    with zipfile.ZipFile(path, "w") as box:
        box.writestr("data/account.js", "window.YTD.account.part0 = " + json.dumps(account))
        box.writestr("data/tweets.js", "window.YTD.tweets.part0 = " + json.dumps(tweets))
        for name in (
            "direct-messages",
            "direct-messages-group",
            "contact",
            "ad-impressions",
            "deleted-tweets",
            "like",
        ):
            box.writestr(f"data/{name}.js", f"window.YTD.{name.replace('-', '_')}.part0 = " + json.dumps(planted))


def test_what_is_private_in_an_archive_is_never_read(tmp_path: Path, kept: Store) -> None:
    """Direct messages, contacts, advertising data and deleted posts of an archive come nowhere."""
    archive(tmp_path / "x.zip")
    with reading.opened(tmp_path / "x.zip") as opened:
        (thread,) = opened.threads()
        keeping.save(kept, opened, thread)
        assert thread.certificate.complete == "yes"
        assert MARKER not in str(thread)
    assert MARKER not in str(list(kept.dump()))
    names = {capture.member.partition("#")[0] for capture in kept.captures(thread.id)}
    assert names == {"data/account.js", "data/tweets.js"}


def test_followers_only_notes_leave_a_gap_and_no_text(tmp_path: Path, kept: Store) -> None:
    """A followers-only post in an archive is a gap that says why, in the store too; its text is kept nowhere."""
    base = "https://moss.example/users/mila"
    public, followers = ["https://www.w3.org/ns/activitystreams#Public"], [f"{base}/followers"]

    def note(n: int, text: str, to: list[str]) -> dict[str, Any]:
        note = {"id": f"{base}/statuses/{n}", "type": "Note", "attributedTo": base, "content": f"<p>{text}</p>",
                "published": f"2026-05-0{n}T09:00:00Z", "to": to, "cc": [],
                "inReplyTo": f"{base}/statuses/{n - 1}" if n > 1 else None}  # fmt: skip
        return {"id": f"{base}/statuses/{n}/activity", "type": "Create", "actor": base, "to": to, "object": note}

    notes = [note(1, "One", public), note(2, MARKER, followers), note(3, "Three", public)]
    outbox = {
        "@context": "https://www.w3.org/ns/activitystreams",
        "type": "OrderedCollection",
        "orderedItems": notes,
    }
    actor = {"@context": "https://www.w3.org/ns/activitystreams", "id": base, "type": "Person",
             "preferredUsername": "mila", "followers": followers[0], "outbox": "outbox.json"}  # fmt: skip
    with zipfile.ZipFile(tmp_path / "m.zip", "w") as box:
        box.writestr("actor.json", json.dumps(actor))
        box.writestr("outbox.json", json.dumps(outbox))
    with reading.opened(tmp_path / "m.zip") as opened:
        (thread,) = opened.threads()
        key = keeping.save(kept, opened, thread)
    again = kept.thread(key)
    assert [item.reason if isinstance(item, Tombstone) else item.content for item in again.items] == [
        "One",
        "private",
        "Three",
    ]
    assert again.certificate.complete == "no"
    assert MARKER not in str(list(kept.dump()))


CID = {"did": "did:plc:cidcidcidcidcidcidcidcid", "handle": "cid.example", "displayName": "Cid"}
C1 = view(CID, "c1", "a bystander with a secretword")


def sound(kept: Store) -> bool:
    before = list(kept.dump())
    list(keeping.rebuild(kept))
    found = [finding for finding in keeping.check(kept) if isinstance(finding, keeping.Finding)]
    return not found and list(kept.dump()) == before


def test_forget_reaches_who_is_in_a_capture_and_in_no_thread(kept: Store, tmp_path: Path) -> None:
    """An answer may hold somebody's post that belongs to no kept thread; forget takes it out of the capture too."""
    plain = view(ADA, "a1", "Ada alone")
    key = save(kept, tmp_path / "a.json", plain, C1, post=uri(ADA, "a1"))
    keeping.forget(kept, str(CID["did"]), "test")
    assert "secretword" not in str(list(kept.dump()))
    assert kept.thread(key).certificate.found == 1
    assert sound(kept)


def test_forget_derives_every_thread_of_a_shared_capture(kept: Store, tmp_path: Path) -> None:
    """One answer may carry two authors' threads: when one is forgotten, the other stays and holds."""
    other = save(kept, tmp_path / "a.json", A1, A2, C1, post=uri(ADA, "a1"))
    save(kept, tmp_path / "a.json", A1, A2, C1, post=uri(CID, "c1"))
    done = keeping.forget(kept, "@cid.example", "test")
    assert (done.dropped, done.changed) == ((uri(CID, "c1"),), (uri(ADA, "a1"),))
    assert kept.thread(other).certificate.found == 2
    assert sound(kept)


def test_who_shows_posts_to_the_logged_in_only_is_not_kept_in_others_threads(kept: Store, tmp_path: Path) -> None:
    """The signal holds for an answer inside another's thread as well: its text is kept nowhere."""
    label = {"src": BEN["did"], "uri": BEN["did"], "val": "!no-unauthenticated", "cts": "2026-01-01T00:00:00Z"}
    asked = view(BEN | {"labels": [label]}, "b1", MARKER, uri(ADA, "a2"), uri(ADA, "a1"))
    answer_ = view(ADA, "a5", "Ada answers Ben", uri(BEN, "b1"), uri(ADA, "a1"))
    key = save(kept, tmp_path / "a.json", A1, A2, asked, answer_, post=uri(ADA, "a1"))
    assert len(kept.thread(key).asides) == 1
    assert MARKER not in str(list(kept.dump()))
    assert sound(kept)


@pytest.mark.parametrize("visibility", ["private", "direct", "list", None])
@pytest.mark.parametrize("who", ["mila", "otto"])
def test_what_is_not_public_in_an_answer_is_not_stored(
    kept: Store, tmp_path: Path, visibility: str | None, who: str
) -> None:
    """An answer that was asked for with a login holds posts for few; their text does not come into the store."""

    def status(number: int, name: str, text: str, seen: str | None) -> dict[str, Any]:
        page = f"https://moss.example/users/{name}"
        more = {"in_reply_to_id": "1", "in_reply_to_account_id": "mila"} if number > 1 else {}
        return {"id": str(number), "uri": f"{page}/statuses/{number}", "visibility": seen,
                "content": f"<p>{text}</p>",
                "created_at": f"2026-05-0{number}T09:00:00Z", **more,
                "account": {"id": name, "username": name, "acct": name, "uri": page, "url": page}}  # fmt: skip

    found = {
        "ancestors": [],
        "descendants": [status(2, "mila", "Two", "public"), status(3, who, MARKER, visibility)],
    }
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"status": status(1, "mila", "One", "public"), "context": found}))
    with reading.opened(path) as opened:
        keeping.save(kept, opened, opened.one())
    assert MARKER not in str(list(kept.dump()))
    assert sound(kept)


def test_a_protected_account_on_x_is_not_stored(kept: Store, tmp_path: Path) -> None:
    """What a protected account answered is not shown to everybody, so its text does not come into the store."""

    def tweet(number: int, user: int, text: str, to: int = 0) -> dict[str, Any]:
        more = (
            {"in_reply_to_status_id_str": f"179000000000000000{to}", "in_reply_to_user_id_str": "7"} if to else {}
        )
        return {"id_str": f"179000000000000000{number}", "full_text": text,
                "created_at": f"Mon Mar 0{number} 09:00:00 +0000 2026", **more,
                "user": {"id_str": str(user), "screen_name": f"u{user}", "protected": user == 8}}  # fmt: skip

    path = tmp_path / "a.json"
    path.write_text(json.dumps([tweet(1, 7, "One"), tweet(2, 7, "Two", 1), tweet(3, 8, MARKER, 2)]))
    with reading.opened(path) as opened:
        keeping.save(kept, opened, opened.thread("https://x.com/i/status/1790000000000000001"))
    assert MARKER not in str(list(kept.dump()))
    assert sound(kept)


def test_forgetting_somebody_answered_leaves_an_archive_on_x(kept: Store, tmp_path: Path) -> None:
    """Records of an archive do not name their owner; forgetting whom the owner answered must not take them."""
    tweet = {"id_str": "1790000000000000001", "full_text": "An answer", "in_reply_to_user_id_str": "8",
             "created_at": "Mon Mar 01 09:00:00 +0000 2026",
             "in_reply_to_status_id_str": "1790000000000000000"}  # fmt: skip
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as box:
        account = [{"account": {"accountId": "7", "username": "ada_quay", "accountDisplayName": "Ada"}}]
        box.writestr("data/account.js", "window.YTD.account.part0 = " + json.dumps(account))
        box.writestr("data/tweets.js", "window.YTD.tweets.part0 = " + json.dumps([{"tweet": tweet}]))
    with reading.opened(tmp_path / "x.zip") as opened:
        key = keeping.save(kept, opened, next(opened.threads()))
    done = keeping.forget(kept, "https://x.com/i/user/8", "test")
    assert not done.dropped
    assert [item.content for item in kept.thread(key).items if isinstance(item, Post)] == ["An answer"]


def test_forget_finds_what_was_written_under_an_earlier_head(kept: Store, tmp_path: Path) -> None:
    """A file that was written before the thread's head turned up is known by the earlier id, and is found."""
    tail = view(ADA, "a3", "a tail whose root is a mistake", uri(ADA, "a2"))
    old = kept.thread(save(kept, tmp_path / "a.json", tail, post=uri(ADA, "a3"))).id
    with kept.writing() as writer:
        writer.put_output(str(tmp_path / "old.md"), "export", [old])
    save(kept, tmp_path / "b.json", A1, A2, tail)
    done = keeping.forget(kept, "@ada.example", "test")
    assert [output.path for output in done.outputs] == [str(tmp_path / "old.md")]


# -- two at once --------------------------------------------------------------------------------------------------

_WRITER = """
import sys
from clew import keeping, reading, store
with store.open(sys.argv[1]) as kept:
    for path in sys.argv[2:]:
        with reading.opened(path) as opened:
            keeping.save(kept, opened, opened.one())
"""


def test_two_processes_may_write(store_url: str, tmp_path: Path) -> None:
    """Two processes that save the same threads at once both succeed, and each thread is there once."""
    paths = []
    for n in range(12):
        path = tmp_path / f"{n}.txt"
        path.write_text(f"A thread about number {n} 1/\nwhich goes on 2/\nand ends here 3/\n")
        paths.append(str(path))
    store.open(store_url).close()
    orders = (paths, paths[::-1])
    both = [subprocess.Popen([sys.executable, "-c", _WRITER, store_url, *order]) for order in orders]
    assert [process.wait(timeout=120) for process in both] == [0, 0]
    with store.open(store_url) as kept:
        assert kept.count() == len(paths)


def test_postgresql_forgets_too(postgresql: Server, postgresql_url: str, tmp_path: Path) -> None:
    """After forget no table of a PostgreSQL store holds the author's words."""
    with store.open(postgresql_url) as kept:
        save(kept, tmp_path / "a.json", A1, A2)
        keeping.forget(kept, "@ada.example", "test")
        dump = io.StringIO()
        print(*kept.dump(), file=dump)
    assert "secretword" not in dump.getvalue()
