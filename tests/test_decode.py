"""The pure decoders: bytes to text and JSON, HTML to text with marks, and redaction."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clew.decode import REDACTED, encoding, html_text, load, plain, redact, walk, where
from clew.errors import ClewError, ParseError
from clew.model import Capture


def capture(body: bytes) -> Capture:
    return Capture(
        hashlib.sha256(body).hexdigest(), body, "text/plain", datetime(2031, 1, 1, tzinfo=UTC), member="a.txt"
    )


def marked(markup: str) -> tuple[str, list[tuple[str, str]]]:
    """Return the text, and each mark with the text it covers."""
    text, facets = html_text(markup)
    return text, [(facet.href or facet.type, text[facet.start : facet.end]) for facet in facets]


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("", ""),
        ("plain", "plain"),
        ("<p>a</p><p>b</p>", "a\n\nb"),
        ("<p>a</p> b", "a\n\nb"),
        ("<p></p><p>a</p><p> </p>", "a"),
        ("a<br>b<br/><br>c", "a\nb\n\nc"),
        ("<p>a<br></p><p>b</p>", "a\n\nb"),
        ("<div>a</div><div>b</div>", "a\nb"),
        ("<h2>a</h2>b<hr>c", "a\n\nb\nc"),
        ("<ul><li>a</li> <li> b </li></ul>c", "a\nb\n\nc"),
        ("<table><tr><td>a<td>b<tr><th>c</th> <td>d</table>e", "a b\nc d\ne"),
        ("<details><summary>a</summary>b</details>", "a\nb"),
        ("<select><option>a<option>b</select>", "a\nb"),
        (" a \n\t b ", "a b"),
        ("a<b> b </b>c", "a b c"),
        ("a\u00a0\u00a0b &nbsp;c", "a\u00a0\u00a0b \u00a0c"),
        ("<pre>\n a\n\n\tb</pre>c", " a\n\n\tb\n\nc"),
        ("&lt;b&gt; &amp;amp; &quot;", '<b> &amp; "'),
        ("&#0;&#xD800;", "\ufffd\ufffd"),
        ("a<script>b</script><style>c</style><!-- d -->e", "ae"),
        ("a<svg><text>b</text></svg><iframe>c</iframe><noscript>d</noscript>e", "ae"),
        ("<span class=invisible>https://</span>a", "https://a"),
        ("a<wbr>b&shy;c", "ab\u00adc"),
        ("a<b", "a"),
        ("<", "<"),
        ("1 < 2 > 1", "1 < 2 > 1"),
        ("<q>a</q> <ol start=3><li>b</ol>", "a\n\nb"),
        ("👩\u200d👧 \u202eабв", "👩\u200d👧 \u202eабв"),
    ],
)
def test_html_is_read_as_it_is_shown(markup: str, text: str) -> None:
    """Blocks, breaks, white space and entities become what a reader sees; nothing is added, words stay apart."""
    assert html_text(markup)[0] == text


@pytest.mark.parametrize(
    ("markup", "marks"),
    [
        ("<a href='https://x.test/?a=1&amp;b=2'>a</a> b", [("https://x.test/?a=1&b=2", "a")]),
        ("a <a href=b>  c<br>d </a> e", [("b", "c\nd")]),
        ("<a>a</a><a href=''>b</a>", []),
        ("a<b> b</b>", [("strong", "b")]),
        ("<em>a <strong>b</strong></em>", [("emphasis", "a b"), ("strong", "b")]),
        ("<blockquote><p>a</p><p>b</p></blockquote>c", [("blockquote", "a\n\nb")]),
        ("a<pre>  b\n</pre>", [("pre", "  b\n")]),
        ("<h1>a</h1><ul><li>b</li></ul>", [("heading", "a"), ("item", "b")]),
        ("<span class='x spoiler'>a</span><tg-spoiler>b</tg-spoiler>", [("spoiler", "a"), ("spoiler", "b")]),
        ("<del>a</del><ins>b</ins><u>c</u><code> d </code>", [
            ("strike", "a"), ("underline", "b"), ("underline", "c"), ("code", "d"),
        ]),
        ("<b></b><a href=x> </a>", []),
    ],
)  # fmt: skip
def test_marks_cover_their_text(markup: str, marks: list[tuple[str, str]]) -> None:
    """Links and marks are in order and cover exactly their text, without the white space around it."""
    assert marked(markup)[1] == marks


TAGS = "p b i a br li ul pre table td div h1 blockquote script svg title form select span".split()
MARKUP = st.lists(
    st.sampled_from([f"<{t}>" for t in TAGS] + [f"</{t}>" for t in TAGS])
    | st.sampled_from(
        ["<a href='x'>", "<!--", "-->", "<![CDATA[", "&", "&#", "&amp;", "<", ">", "<a b='", " ", "\n"]
    )
    | st.text(st.characters(exclude_categories=()), max_size=4),
    max_size=25,
).map("".join)


@given(MARKUP)
def test_any_html_is_read_or_refused(markup: str) -> None:
    """For any markup: marks are in order and inside the text, which neither begins with white space that folds."""
    try:
        text, facets = html_text(markup)
    except ClewError:
        return
    assert html_text(markup) == (text, facets)
    assert [facet.start for facet in facets] == sorted(facet.start for facet in facets)
    assert all(0 <= facet.start < facet.end <= len(text) for facet in facets)
    text.encode()


@given(st.text())
def test_escaped_text_comes_back(text: str) -> None:
    """What a server escapes is the text again, white space folded as a browser folds it; HTML has no NUL."""
    escaped = text.replace("&", "&amp;").replace("<", "&lt;")
    words = [
        word for word in text.replace("\0", "").translate(str.maketrans("\t\r\n\f", "    ")).split(" ") if word
    ]
    assert html_text(f"<p>{escaped}</p>")[0] == " ".join(words)


HOSTILE = [
    "<p>", "<b>", "<a href=x>", "<li>", "<table>", "<pre>a\n\nb</pre>", "<b><p>", "<div>", "<", "&", "<!--",
    "<a b='", " ", "\n", "<script>", "</", "<br>", "<svg>", "<font><p>", "<td>", "<i></i> ", "<!-", "<blockquote>a",
]  # fmt: skip


@pytest.mark.parametrize("piece", HOSTILE)
def test_large_hostile_html_is_read_or_refused(piece: str) -> None:
    """A megabyte of one tag, open or not, is read or refused; it does not hold the machine."""
    try:
        html_text(piece * (1_000_000 // len(piece)))
    except ParseError as error:
        assert "nested too deeply" in str(error)  # noqa: PT017


# -- bytes --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_text_is_decoded_by_its_mark(name: str) -> None:
    """A byte order mark names the encoding and is no text; without one it is UTF-8."""
    body = "Тарас 👩\u200d👧\r\n".encode(name)
    assert plain(capture(body)) == "Тарас 👩\u200d👧\r\n"
    assert encoding(body) in (name, "utf-8")


@pytest.mark.parametrize("body", [b"\xff\xfea", b"caf\xe9", b"\xff\xfe\x00\xd8", b"\xef\xbb\xbf\xff"])
def test_what_is_no_text_is_told(body: bytes) -> None:
    """Bytes that their encoding does not allow are an error that names the place."""
    with pytest.raises(ParseError, match=r"a\.txt") as caught:
        plain(capture(body))
    assert caught.value.at.startswith("byte ")


@pytest.mark.parametrize("body", [b"", b"{", b'{"a": 1} x', b'"\\ud800"', b"[1,]", b"\xff", b"[" * 100_000, b"nul"])
def test_broken_json_is_told(body: bytes) -> None:
    """Broken, cut, foreign or deep JSON is a ParseError that names the file."""
    with pytest.raises(ParseError, match=r"a\.txt"):
        load(capture(body))


def test_json_is_loaded() -> None:
    """JSON with or without a byte order mark becomes values, of the type asked for."""
    assert load(capture(b'\xef\xbb\xbf{"a": [1, "\\ud83d\\ude00"]}')) == {"a": [1, "😀"]}
    assert load(capture(b"[1, 2]"), list[int]) == [1, 2]
    with pytest.raises(ParseError, match=r"a\.txt"):
        load(capture(b"{}"), list[int])


@given(st.binary(max_size=60))
def test_any_bytes_are_decoded_or_refused(body: bytes) -> None:
    """Whatever the bytes: text or a ParseError, values or a ParseError."""
    for decode in (plain, load):
        try:
            decode(capture(body))
        except ParseError:
            continue
    assert where(capture(body)) == "a.txt"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abcdmine"), inner, max_size=4),
)


@given(JSON)
def test_redaction_leaves_only_what_is_kept(value: object) -> None:
    """Every object of the author's keeps the named keys and a marker, wherever it is; all else is as it was."""
    body = json.dumps(value).encode()
    after = json.loads(redact(body, lambda node: "m" in node, frozenset("ma")))
    for node in walk(after):
        if "m" in node:
            assert node.keys() <= {"m", "a", "clew:redacted"}
            assert node["clew:redacted"] == REDACTED
    if not any("m" in node for node in walk(value)):
        assert after == value


def test_objects_are_walked_parents_first() -> None:
    """Every object inside a value is visited once, its parent before it, in the order of the text, at any depth."""
    value = [{"n": 1, "x": {"n": 2}, "y": [{"n": 3}]}, {"n": 4}]
    assert [node["n"] for node in walk(value)] == [1, 2, 3, 4]
    deep: object = {"n": 0}
    for _ in range(100_000):
        deep = [deep]
    assert len(list(walk(deep))) == 1
    while isinstance(deep, list):  # or freeing it would recurse
        deep = deep.pop()
