"""Pages: what a reader sees is what was posted, nothing is missing in silence, and remote text stays text."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from selectolax.lexbor import LexborHTMLParser

from clew import dates, flow, markup, pages
from clew.config import Site
from clew.document import stitch
from clew.model import (
    Actor,
    Attachment,
    Certificate,
    Complete,
    Facet,
    Gap,
    Item,
    Page,
    Poll,
    PollOption,
    Post,
    Quote,
    Reason,
    Run,
    Thread,
    Tombstone,
    Value,
    Version,
)

NOON = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)
ADA = Actor("https://social.example/users/ada", "Ada Merrow", "ada", "https://social.example/@ada")
BOZ = Actor("https://social.example/users/boz", "Божена", "boz", "https://social.example/@boz")
SITE = Site(base_url="https://read.example")
KEY = "abcdefghijkl"


class Line(Value, frozen=True):
    """A saved thread, as the contents list it."""

    key: str
    title: str
    actor: Actor = ADA
    published: datetime | None = NOON
    posts: int = 3
    complete: Complete = "yes"


def post(n: int, content: str, **fields: object) -> Post:
    """A post of Ada's that answers the one before."""
    given: dict[str, object] = {
        "id": f"https://social.example/{n}",
        "attributed_to": ADA.id,
        "content": content,
        "published": NOON + timedelta(minutes=n),
        "capture": "c" * 64,
        "in_reply_to": f"https://social.example/{n - 1}" if n > 1 else "",
    }
    return Post(**(given | fields))  # type: ignore[arg-type]


def page(*items: Item, certificate: Certificate | None = None, **fields: object) -> Page:
    """A page of a thread with these posts."""
    found = sum(isinstance(item, Post) for item in items)
    thread = Thread(
        items[0].id,
        ADA.id,
        items,
        "longest",
        certificate or Certificate(found, "yes", f"All {found} posts are here."),
        actors=(ADA, BOZ),
        **fields,  # type: ignore[arg-type]
    )
    return Page("What the ropes said", thread, stitch(thread))


def tree(html: bytes) -> LexborHTMLParser:
    return LexborHTMLParser(html.decode())


def prose(html: bytes) -> str:
    """The text of the main line, without numbers, dates and what Clew says itself."""
    body = tree(html).css_first(".prose")
    assert body is not None
    for node in body.css(".n, .d, .gap, .pause, .after"):
        node.decompose()
    return body.text()


def words(text: str) -> list[str]:
    return text.split()


# --- the thread page -----------------------------------------------------------------------------------------


def test_the_prose_on_the_page_is_the_document() -> None:
    shown = page(post(1, "One rope & two. 1/3"), post(2, "It held <em>for</em> a 2/3"), post(3, "year. 3/3"))
    assert words(prose(pages.thread(SITE, shown, KEY))) == words(shown.document.text)


@given(st.lists(st.text(min_size=1), min_size=1, max_size=4))
def test_any_text_is_shown_whole_and_stays_text(texts: list[str]) -> None:
    shown = page(*(post(n, text) for n, text in enumerate(texts, 1)))
    html = pages.posted(SITE, shown, KEY)
    verbatim = [node.text() for node in tree(html).css(".verbatim")]
    legible = [markup.legible(text).replace("\r\n", "\n").replace("\r", "\n") for text in texts]
    assert verbatim == legible
    assert words(prose(pages.thread(SITE, shown, KEY))) == words(markup.legible(shown.document.text))


def test_each_post_has_a_number_that_is_its_permalink() -> None:
    html = tree(pages.thread(SITE, page(post(1, "Ropes that"), post(2, "held and"), post(3, "gave way.")), KEY))
    numbers = html.css("a.n")
    assert [(node.attributes["id"], node.attributes["href"]) for node in numbers] == [
        ("p1", "#p1"), ("p2", "#p2"), ("p3", "#p3"),
    ]  # fmt: skip
    assert [node.attributes["title"] for node in numbers] == [f"4 March 2026, 12:0{n} UTC" for n in (1, 2, 3)]
    assert len(html.css(".prose p")) == 1


def test_a_missing_post_is_said_at_its_place_and_at_the_top() -> None:
    gone = Tombstone("https://social.example/2", "deleted", "https://social.example/1", evidence="It says 410")
    certificate = Certificate(2, "no", "2 of 3 posts are here.", 3, (Gap("deleted", "It says 410", gone.id),))
    html = tree(pages.thread(SITE, page(post(1, "One."), gone, post(3, "Three."), certificate=certificate), KEY))
    column = [node.text().strip() for node in html.css(".prose > *")]
    assert column == [
        "14 Mar, 12:01One.",
        "Post 2 is not here: deleted. It says 410. Its address",
        "34 Mar, 12:03Three.",
    ]
    assert html.css_first(".certificate summary").text() == "2 of 3 posts are here."
    assert html.css_first(".certificate li a").attributes["href"] == "#p2"
    assert html.css_first("#p2") is not None


@pytest.mark.parametrize(
    ("reason", "fields", "said"),
    [
        ("deleted", {"checked": NOON}, "Post 2 is not here: deleted; found missing on 4 March 2026."),
        ("unavailable", {"checked": NOON}, "Post 2 is not here: unavailable since 4 March 2026 at the latest."),
        ("deleted", {"deleted": NOON, "checked": NOON}, "Post 2 is not here: deleted on 4 March 2026."),
        ("private", {}, "Post 2 is not here: not public."),
    ],
)
def test_since_when_a_post_is_missing_is_said(reason: Reason, fields: dict[str, datetime], said: str) -> None:
    """At its place, as posted, and in the certificate, in the same words."""
    gone = Tombstone("https://social.example/2", reason, evidence="It says so", **fields)
    certificate = Certificate(2, "no", "2 of 3.", 3, (Gap(reason, "the server says so", gone.id),))
    shown = page(post(1, "One."), gone, post(3, "Three."), certificate=certificate)
    prose, posted = tree(pages.thread(SITE, shown, KEY)), tree(pages.posted(SITE, shown, KEY))
    assert prose.css_first(".certificate li").text() == f"{said} The server says so. Its address"
    assert [html.css_first(".gap").text() for html in (prose, posted)] == [f"{said} It says so. Its address"] * 2


def test_where_the_walk_stopped_is_said_at_the_end_and_among_the_limits() -> None:
    """What could not be looked at is no missing post: it does not stand in the list of those."""
    limit = "the list of posts was not read to its end"
    gap = Gap("limited", limit, after="https://social.example/2", count=0)
    certificate = Certificate(2, "unknown", "Two posts.", gaps=(gap,), limits=(limit, "The AppView was away"))
    html = tree(pages.thread(SITE, page(post(1, "One."), post(2, "Two."), certificate=certificate), KEY))
    assert html.css(".prose > *")[-1].text() == (
        "Whether the thread goes on here could not be seen. The list of posts was not read to its end."
    )
    assert [node.text() for node in html.css(".certificate li")] == [limit, "The AppView was away"]
    assert "Not here:" not in html.css_first(".certificate").text()


def test_a_thread_of_which_nothing_is_left_has_a_page() -> None:
    """A name, the original's address, what is known of each post; and a citation without empty quotes."""
    ids = [f"at://did:plc:abc234/app.bsky.feed.post/3kabc{n}" for n in (1, 2)]
    stones = [Tombstone(id_, "deleted", attributed_to=ADA.id, checked=NOON) for id_ in ids]
    gaps = tuple(Gap("deleted", "the author's repository does not hold it", id_) for id_ in ids)
    shown = replace(page(*stones, certificate=Certificate(0, "no", "0 of 2.", 2, gaps)), title="Untitled")
    for html in (tree(pages.thread(SITE, shown, KEY)), tree(pages.posted(SITE, shown, KEY))):
        assert html.css_first("h1").text() == "A thread that is gone"
        assert "Ada Merrow" in html.css_first(".by").text()
        assert html.css_first("link[rel=canonical]").attributes["href"] == (
            "https://bsky.app/profile/did:plc:abc234/post/3kabc1"
        )
        assert html.css_first(".cite bdi").text() == (
            "Ada Merrow (@ada), a thread of which no post is left, "
            "https://bsky.app/profile/did:plc:abc234/post/3kabc1."
        )
        assert len(html.css(".gap")) == 2
    for contents in (pages.home(SITE, [gone_line]), pages.author(SITE, ADA, [gone_line])):
        assert tree(contents).css_first(".contents .title").text() == "A thread that is gone"


gone_line = Line(KEY, "Untitled", published=None, posts=0, complete="no")


def test_a_quote_in_the_text_is_a_link() -> None:
    quoting = post(1, "Who said it", facets=(Facet(0, 3, "quote", "https://social.example/@boz/9"),))
    link = tree(pages.thread(SITE, page(quoting), KEY)).css_first(".prose a[rel]")
    assert (link.text(), link.attributes["href"]) == ("Who", "https://social.example/@boz/9")


def test_a_jump_in_the_numbers_is_said_where_it_is() -> None:
    gap = Gap("counter", "The counters go from 1 to 4", after="https://social.example/1", count=2)
    certificate = Certificate(2, "no", "Two posts are missing.", 4, (gap,))
    html = tree(pages.thread(SITE, page(post(1, "One. 1/"), post(2, "Four. 4/"), certificate=certificate), KEY))
    column = [node.attributes.get("class") for node in html.css(".prose > *")]
    assert column == [None, "gap", None]
    assert "Two posts are not here: the numbers in the text jump." in html.css_first(".gap").text()


def test_a_post_without_prose_keeps_its_number_and_what_hangs_on_it() -> None:
    picture = Attachment("image", "https://cdn.example/1.jpg", "image/jpeg", alt="A rope")
    html = tree(
        pages.thread(SITE, page(post(1, "One."), post(2, "", attachments=(picture,)), post(3, "Three.")), KEY)
    )
    assert [node.attributes["id"] for node in html.css("a.n")] == ["p1", "p2", "p3"]
    after = html.css_first(".after")
    assert after.css_first("#p2") is not None
    assert after.css_first(".absent .alt").text() == "A rope"


def test_a_long_pause_is_worth_a_line_and_a_short_one_is_not() -> None:
    later = NOON + timedelta(days=2)
    shown = page(post(1, "One."), post(2, "Two."), post(3, "Three.", published=later))
    assert [node.text() for node in tree(pages.thread(SITE, shown, KEY)).css(".pause")] == ["two days later"]


@pytest.mark.parametrize(
    ("pause", "said"),
    [
        (timedelta(hours=13), "13 hours later"),
        (timedelta(hours=25), "one day later"),
        (timedelta(days=15), "two weeks later"),
        (timedelta(days=95), "three months later"),
        (timedelta(days=800), "two years later"),
    ],
)
def test_pauses_in_words(pause: timedelta, said: str) -> None:
    assert dates.later(pause) == said


def test_branches_and_asides_follow_with_who_was_answered() -> None:
    other = replace(post(7, "And the knots?"), attributed_to=BOZ.id)
    shown = page(
        post(1, "One."),
        branches=(Run("https://social.example/1", (post(5, "Besides."),)),),
        asides=(Run("https://social.example/1", (post(8, "Reef knots."),), (other,)),),
    )
    html = tree(pages.thread(SITE, shown, KEY))
    branch, aside = html.css(".run")
    assert "The author also wrote here: one post, after post 1" in branch.text()
    assert branch.css_first(".prose").text().strip().endswith("Besides.")
    assert aside.css_first(".card .name").text() == "Божена"
    assert aside.css_first(".card .verbatim").text() == "And the knots?"
    assert aside.css_first("a.n").attributes["id"] == "a1-1"
    assert "And the knots?" not in html.css_first(".prose").text()


def test_what_the_thread_answers_stands_above_it() -> None:
    asked = replace(post(9, "What is it?"), attributed_to=BOZ.id)
    gone = Tombstone("https://social.example/0", "blocked")
    html = pages.thread(SITE, page(post(1, "A rope."), context=(gone, asked)), KEY).decode().partition("<main")[2]
    assert html.index("In reply to a post that is not here: blocked.") < html.index("What is it?")
    assert html.index("What is it?") < html.index("A rope.")


def test_a_content_warning_folds_its_posts_and_shows_its_words() -> None:
    shown = page(post(1, "Calm."), post(2, "A storm.", summary="weather"), post(3, "Calm."))
    fold = tree(pages.thread(SITE, shown, KEY)).css_first("details.fold")
    assert fold.css_first("summary").text() == "Content warning: weather"
    assert fold.css_first("p").text().endswith("A storm.")
    assert "open" not in fold.attributes


def test_sensitive_media_is_folded() -> None:
    picture = Attachment("image", "https://cdn.example/1.jpg", "image/jpeg", sha256="d" * 64)
    html = tree(pages.thread(SITE, page(post(1, "Look.", attachments=(picture,), sensitive=True)), KEY))
    assert html.css_first("details.fold img") is not None


def test_only_our_own_copies_of_pictures_are_loaded() -> None:
    pictures = (
        Attachment("image", "https://cdn.example/1.jpg", "image/jpeg", alt="Mine", sha256="d" * 64),
        Attachment("image", "https://cdn.example/2.jpg", "image/jpeg", alt="Theirs"),
        Attachment("image", "https://cdn.example/3.svg", "image/svg+xml", alt="Scripted", sha256="e" * 64),
    )
    html = tree(pages.thread(SITE, page(post(1, "Look.", attachments=pictures)), KEY))
    assert [node.attributes["src"] for node in html.css("[src]")] == [f"../../media/{'d' * 64}.jpg"]
    assert html.css_first("img").attributes["alt"] == "Mine"
    assert [node.text() for node in html.css(".absent .alt")] == ["Theirs", "Scripted"]


def test_no_description_and_an_empty_one_are_told_apart() -> None:
    def shown(alt: str | None) -> str:
        picture = Attachment("image", "https://cdn.example/1.jpg", "image/jpeg", alt=alt)
        return (
            tree(pages.thread(SITE, page(post(1, "Look.", attachments=(picture,))), KEY))
            .css_first(".absent")
            .text()
        )

    assert "no description given" in shown(None)
    assert "left without a description" in shown("")


def test_a_quote_is_a_card_by_its_own_author_and_a_withdrawn_one_only_a_link() -> None:
    quoted = replace(post(50, "Old words."), attributed_to=BOZ.id)
    quoting = post(1, "See:", quote=Quote(quoted.id, "https://social.example/@boz/50"))
    card = tree(pages.thread(SITE, page(quoting, quoted=(quoted,)), KEY)).css_first(".after blockquote.card")
    assert (card.css_first(".name").text(), card.css_first(".verbatim").text()) == ("Божена", "Old words.")
    detached = replace(quoting, quote=Quote(quoted.id, "https://social.example/@boz/50", "detached"))
    html = pages.thread(SITE, page(detached, quoted=(quoted,)), KEY)
    assert b"Old words." not in html
    assert tree(html).css_first(".after .card a").attributes["href"] == "https://social.example/@boz/50"


def test_a_poll_is_a_table_with_hidden_votes_said() -> None:
    poll = Poll((PollOption("Hemp", 3), PollOption("Steel", 1), PollOption("Other")), end_time=NOON, voters=4)
    table = tree(pages.thread(SITE, page(post(1, "Which?", poll=poll)), KEY)).css_first("table.poll")
    rows = [re.sub(r"\s+", " ", row.text(separator=" ", strip=True)) for row in table.css("tr")]
    assert rows == ["Hemp 3 · 75%", "Steel 1 · 25%", "Other votes hidden"]
    assert "closing 4 March 2026, 12:00 UTC" in table.css_first("caption").text()


def test_the_citation_names_author_date_address_and_capture() -> None:
    shown = replace(
        page(post(1, "One.", url="https://social.example/@ada/1")), base_url="https://read.example/t/x/"
    )
    html = tree(pages.thread(SITE, shown, KEY))
    assert html.css_first(".cite bdi").text() == (
        "Ada Merrow (@ada), “What the ropes said”, 4 March 2026, https://social.example/@ada/1. "
        f"Copy: https://read.example/t/x/. Captured as SHA-256 {'c' * 64}."
    )
    assert html.css_first("link[rel=canonical]").attributes["href"] == "https://social.example/@ada/1"
    assert html.css_first("meta[name=robots]").attributes["content"] == "noindex"


def test_the_language_of_a_thread_and_of_a_post_that_differs() -> None:
    shown = page(post(1, "Раз.", langs=("uk",)), post(2, "Два.", langs=("uk",)), post(3, "Three.", langs=("en",)))
    html = tree(pages.thread(SITE, shown, KEY))
    assert html.css_first("article").attributes["lang"] == "uk"
    assert [node.attributes.get("lang") for node in html.css(".prose > p")] == [None, None, "en"]


# --- as posted -----------------------------------------------------------------------------------------------


def test_as_posted_shows_each_post_with_counter_date_number_and_link() -> None:
    html = tree(pages.posted(SITE, page(post(1, "Ropes 1/2"), post(2, "held. 2/2")), KEY))
    first, second = html.css(".posts > li")
    assert [node.css_first(".verbatim").text() for node in (first, second)] == ["Ropes 1/2", "held. 2/2"]
    assert first.css_first("time").text() == "4 March 2026, 12:01 UTC"
    assert (second.attributes["id"], second.css_first(".no").attributes["href"]) == ("p2", "#p2")
    assert [node.attributes["href"] for node in second.css("a[rel]")] == ["https://social.example/2"]


def edited(*texts: str, **fields: object) -> Post:
    """A post with earlier texts, an hour apart; the last is the one it has now."""
    versions = tuple(Version(text, NOON + timedelta(hours=n)) for n, text in enumerate(texts[:-1]))
    return post(1, texts[-1], **({"versions": versions, "updated": NOON + timedelta(hours=9)} | fields))


def test_each_earlier_version_stands_beside_the_one_that_followed() -> None:
    """With the time of each, and the words that changed marked by what they are, not by colour."""
    shown = edited("The tide came early.", "The tide came very early.", "The tide came very late.")
    pairs = tree(pages.posted(SITE, page(shown), KEY)).css("details.edits .edit")
    assert [[node.text() for node in pair.css(".verbatim")] for pair in pairs] == [
        ["The tide came early.", "The tide came very early."],
        ["The tide came very early.", "The tide came very late."],
    ]
    assert [[node.text() for node in pair.css("del, ins")] for pair in pairs] == [["very"], ["early.", "late."]]
    assert [[node.text() for node in pair.css(".by")] for pair in pairs] == [
        ["Version 1 · 4 March 2026, 12:00 UTC", "Version 2 · 4 March 2026, 13:00 UTC"],
        ["Version 2 · 4 March 2026, 13:00 UTC", "The text now · 4 March 2026, 21:00 UTC"],
    ]


def test_a_version_shows_its_content_warning() -> None:
    shown = edited("A storm.", "A storm.", summary="weather")
    warnings = [node.text() for node in tree(pages.posted(SITE, page(shown), KEY)).css(".edit .small")]
    assert warnings == ["Content warning: weather"]


def test_the_prose_says_quietly_that_a_post_was_edited() -> None:
    """Beside its number, with a link to its versions; a file on its own, which has none, does not."""
    shown = page(edited("Once.", "Twice."), post(2, "Never."))
    (link,) = tree(pages.thread(SITE, shown, KEY)).css("a.e")
    assert (link.text(), link.attributes["href"], link.attributes["title"]) == (
        "edited", "posted/#p1", "One earlier version",
    )  # fmt: skip
    assert tree(pages.posted(SITE, shown, KEY)).css_first("li#p1 .edits") is not None
    assert not tree(pages.standalone(shown)).css("a.e")
    bare = page(edited("Once.", ""), post(2, "Never."))
    assert len(tree(pages.thread(SITE, bare, KEY)).css(".after a.e")) == 1


texts_with_repeats = st.lists(
    st.sampled_from(["tide ", "gate", " ", "\n", "港", "で", "\u202e", "<b>"]), max_size=30
)


@given(texts_with_repeats.map("".join) | st.text(), texts_with_repeats.map("".join) | st.text(), st.integers(0, 99))
def test_comparing_never_changes_a_text(before: str, after: str, most: int) -> None:
    """Both are shown whole, what is not marked is in both in this order, and no more is compared than allowed."""
    old, new, cost = markup.compared(before, after, most)
    assert cost <= most
    shown = [LexborHTMLParser(f"<pre>\n{html}</pre>").css_first("pre") for html in (old, new)]
    legible = [markup.legible(text).replace("\r\n", "\n").replace("\r", "\n") for text in (before, after)]
    assert [node.text() for node in shown] == legible
    for node in shown:
        for marked in node.css("del, ins"):
            marked.decompose()
    bare = [node.text().replace("\ufffd", "") for node in shown]  # some controls count as white space
    unmarked = ["".join(text.split()) for text in bare]
    assert unmarked[0] == unmarked[1]


def test_scripts_that_part_no_words_are_compared_by_character() -> None:
    old, new, _ = markup.compared("私は東京に行く。", "私は京都に行く。", 99)
    assert (old, new) == ("私は<del>東</del>京に行く。", "私は京<ins>都</ins>に行く。")


def test_what_would_take_too_long_to_compare_is_marked_as_a_whole() -> None:
    """What both texts begin and end with is still told apart."""
    old, new, cost = markup.compared("Same a b c end", "Same c d e f end", 11)
    assert (old, new, cost) == ("Same <del>a b c</del> end", "Same <ins>c d e f</ins> end", 0)


def test_a_page_compares_no_more_than_it_may() -> None:
    """A post with many long versions is shown with all of them; only the first are compared word by word."""
    texts = [" ".join(str(n * k % 997) for k in range(1, 400)) for n in range(1, 31)]
    pairs = tree(pages.posted(SITE, page(edited(*texts)), KEY)).css(".edit")
    assert [pair.css(".verbatim")[0].text() for pair in pairs] == texts[:-1]
    assert len(pairs[0].css("del")) > 1
    assert len(pairs[-1].css("del")) == 1


# --- hostile text --------------------------------------------------------------------------------------------

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>\u202e\x00"


def hostile_page() -> Page:
    marked = (Facet(0, 10, "link", "javascript:alert(1)"), Facet(0, 9, "strong"), Facet(5, 10**6, "code"))
    everything = post(
        1,
        HOSTILE,
        url="javascript:alert(1)",
        facets=marked,
        summary=HOSTILE,
        attachments=(
            Attachment("card", "javascript:x", name=HOSTILE, summary=HOSTILE),
            Attachment("image", "data:text/html,x", alt=HOSTILE, name=HOSTILE, media_type=HOSTILE, sha256="d" * 64),
        ),
        poll=Poll((PollOption(HOSTILE, 0),)),
        langs=(HOSTILE,),
        versions=(Version(HOSTILE),),
        quote=Quote("javascript:x", "vbscript:x", "unavailable"),
    )
    certificate = Certificate(
        1, "no", HOSTILE, gaps=(Gap("limited", HOSTILE),), limits=(HOSTILE,), evidence=(HOSTILE,)
    )
    shown = page(everything, Tombstone(HOSTILE, evidence=HOSTILE), certificate=certificate)
    actor = Actor(ADA.id, HOSTILE + "W" * 10**6, HOSTILE, "javascript:alert(1)")
    return replace(shown, title=HOSTILE, thread=replace(shown.thread, actors=(actor,)))


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))


@pytest.mark.parametrize("render", [pages.thread, pages.posted])
def test_hostile_text_makes_no_element_no_address_and_no_attribute(render: object) -> None:
    html = render(SITE, hostile_page(), KEY)  # type: ignore[operator]
    tags = _Tags()
    tags.feed(html.decode())
    assert "script" not in {tag for tag, _ in tags.seen}
    assert not [name for _, attrs in tags.seen for name in attrs if name.startswith("on") or name == "style"]
    addresses = [attrs.get("href") or attrs.get("src") or "" for _, attrs in tags.seen]
    assert {urlsplit(address).scheme for address in addresses} <= {"", "https"}
    assert b"\x00" not in html
    assert len(html) < 40_000, "a name of a million characters is cut"


def test_reordering_characters_cannot_reach_past_their_own_text() -> None:
    html = pages.thread(SITE, page(post(1, "left \u202e right"), post(2, "calm.")), KEY).decode()
    assert re.search("<bdi>[^<]*\u202e[^<]*</bdi>", html)


@pytest.mark.parametrize(
    ("href", "shown"),
    [
        ("https://a.example/x?y=1#z", "https://a.example/x?y=1#z"),
        ('https://a.example/a b"<[|', "https://a.example/a%20b%22%3C%5B%7C"),
        ("https://a.example/50%", "https://a.example/50%25"),
        ("https://україна.example/я", "https://україна.example/я"),
        ("mailto:ada@a.example", "mailto:ada@a.example"),
        ("javascript:alert(1)", ""),
        ("java\nscript:alert(1)", ""),
        ("//a.example/", ""),
        ("https://", ""),
        ("https://[broken", ""),
        ("https://a.example:port/", ""),
        ("data:text/html,x", ""),
        ("", ""),
    ],
)
def test_only_addresses_of_pages_and_mailboxes_become_links(href: str, shown: str) -> None:
    assert markup.safe_href(href) == shown


@given(st.text())
def test_any_address_is_safe_or_nothing(href: str) -> None:
    shown = markup.safe_href(href)
    assert not shown or urlsplit(shown).scheme in ("http", "https", "mailto")


facets = st.builds(
    Facet,
    st.integers(-2, 40),
    st.integers(-2, 40),
    st.sampled_from(["link", "mention", "strong", "emphasis", "spoiler", "code", "item", "emoji"]),
    st.sampled_from(["", "https://a.example/", "javascript:x"]),
)


@given(st.text(max_size=30), st.lists(facets, max_size=6), st.integers(0, 30), st.integers(0, 30))
def test_marks_never_change_the_text(text: str, marks: list[Facet], start: int, end: int) -> None:
    html = markup.Inline(post(1, text, facets=tuple(marks))).html(start, end)
    shown = LexborHTMLParser(f"<pre>\n{html}</pre>").css_first("pre").text()
    assert shown == markup.legible(text[start:end]).replace("\r\n", "\n").replace("\r", "\n")


def test_a_link_shows_the_platforms_label_and_leads_to_its_full_target() -> None:
    linked = post(
        1, "See t.example/x now", facets=(Facet(4, 15, "link", "https://long.example/page", "long.example/…"),)
    )
    assert markup.Inline(linked).html(0, 19) == (
        'See <a href="https://long.example/page" rel="nofollow noreferrer noopener ugc">long.example/…</a> now'
    )


# --- the other pages -----------------------------------------------------------------------------------------


def test_an_empty_site_says_what_to_do_first() -> None:
    commands = [node.text() for node in tree(pages.home(SITE, [])).css("pre")]
    assert commands == [f"clew unroll {pages.EXAMPLE} --save", "clew unroll https://… --save"]


def test_the_contents_name_author_date_size_and_completeness() -> None:
    html = tree(pages.home(SITE, [Line(KEY, "Ropes"), Line("b" * 12, "Knots", posts=1, complete="no")]))
    lines = [re.sub(r"\s+", " ", node.text().strip()) for node in html.css(".contents li")]
    assert lines == [
        "Ropes Ada Merrow · 4 March 2026 · 3 posts · complete",
        "Knots Ada Merrow · 4 March 2026 · 1 post · incomplete",
    ]
    assert html.css_first(".contents .title").attributes["href"] == f"./t/{KEY}/"


def test_pages_of_the_contents_lead_to_each_other() -> None:
    def ways(number: int) -> list[str | None]:
        html = tree(pages.home(SITE, [Line(KEY, "Ropes")], number, 3))
        return [node.attributes["href"] for node in html.css("nav.ways a")]

    assert [ways(n) for n in (1, 2, 3)] == [["./page/2/"], ["../../", "../../page/3/"], ["../../page/2/"]]


def test_an_authors_page_lists_their_threads() -> None:
    html = tree(pages.author(SITE, ADA, [Line(KEY, "Ropes")]))
    assert html.css_first("h1").text() == "Ada Merrow"
    assert html.css_first(".contents .title").attributes["href"] == f"../../t/{KEY}/"


def test_errors_and_the_form_say_the_sentence() -> None:
    assert "No such thread: x." in tree(pages.error(SITE, 404, "No such thread: x.")).css_first("main").text()
    wrong = tree(pages.unroll_form(SITE, "The file is empty: a.txt.")).css_first("[role=alert]")
    assert wrong.text() == "The file is empty: a.txt."
    assert tree(pages.unroll_form(SITE)).css_first("[role=alert]") is None


def test_about_says_whom_to_ask() -> None:
    html = pages.about(Site(about="Kept by a reader.\n\nIn Porto.", contact="keeper@read.example")).decode()
    assert "<p>In Porto.</p>" in html
    assert "keeper@read.example" in html


def test_a_standalone_page_needs_nothing_beside_it() -> None:
    html = tree(pages.standalone(page(post(1, "One."))))
    assert html.css_first("style") is not None
    assert not html.css("link[rel=stylesheet], nav, [src]")
    assert not [a for a in html.css("a") if not (a.attributes["href"] or "").startswith(("#", "http"))]


# --- budgets and form ----------------------------------------------------------------------------------------


class Fetched:
    """A fetch that goes on."""

    url, requests = HOSTILE, 3


def every_page() -> list[bytes]:
    shown = page(post(1, "One. 1/2"), post(2, "Two. 2/2", url="https://social.example/@ada/2"))
    return [
        pages.thread(SITE, shown, KEY),
        pages.posted(SITE, shown, KEY),
        pages.thread(SITE, hostile_page(), KEY),
        pages.home(SITE, []),
        pages.home(SITE, [Line(KEY, "Ropes")], 2, 3),
        pages.author(SITE, ADA, [Line(KEY, "Ropes")]),
        pages.about(SITE),
        pages.error(SITE, 404, "No."),
        pages.unroll_form(SITE),
        pages.unroll_form(SITE, "No.", {"text": "https://a.example/", "media": "yes"}, "../../"),
        pages.progress(SITE, Fetched()),
        pages.progress(SITE, Fetched(), looks=False),
        pages.posted(SITE, page(edited("Once.", "Twice.", "Thrice.")), KEY),
    ]


@pytest.mark.parametrize("html", every_page())
def test_each_page_has_one_heading_landmarks_and_no_script(html: bytes) -> None:
    parsed = tree(html)
    assert [len(parsed.css(tag)) for tag in ("h1", "main", "body > header", "body > footer")] == [1, 1, 1, 1]
    assert parsed.css_first("body > a").attributes["href"] == "#main"
    assert not parsed.css("script, [style], iframe, object, embed")
    assert not [node for node in parsed.css("[id]") if len(parsed.css(f'[id="{node.attributes["id"]}"]')) > 1]


def test_a_page_of_fifty_posts_keeps_its_budget() -> None:
    text = "Слово за словом, мотузка за мотузкою, і жодна не була зайвою у цій гавані. " * 4
    shown = page(*(post(n, f"{text[:270]} {n}/50", langs=("uk",)) for n in range(1, 51)))
    assert len(pages.thread(SITE, shown, KEY)) < 60_000


def test_the_stylesheet_keeps_its_budget_and_loads_nothing() -> None:
    css = pages.stylesheet()
    assert len(css.encode()) <= 12_288
    assert "url(" not in css
    assert "@import" not in css


def test_the_same_values_give_the_same_bytes() -> None:
    assert every_page() == every_page()


def test_a_thread_that_goes_on_from_another_says_so() -> None:
    """A head that quotes its author's own post is continued from there; a later own quote is only named."""
    from clew.model import Quote
    from clew.thread import assemble

    def own(n: int, parent: int, quoted: int) -> Post:
        return Post(
            f"https://x.com/i/status/{n}", ADA.id, f"Words {n}", None, "0" * 64, quote=Quote(f"https://x.com/i/status/{quoted}"),
            in_reply_to=f"https://x.com/i/status/{parent}" if parent else "",
        )  # fmt: skip

    posts = [own(1, 0, 9), own(2, 1, 9), Post("https://x.com/i/status/9", ADA.id, "Before", None, "0" * 64)]
    held = flow.page(assemble([ADA, *posts], posts[0].id))
    html = pages.thread(SITE, held, KEY).decode()
    assert html.count("Continued from:") == 1
    assert html.count("An own post:") == 1
    assert flow.export(held.thread, "text").count(b"[Continued from") == 1
