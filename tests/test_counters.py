"""Counters are markers only where their sequence proves them; everything else is the author's text."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clew.counters import Counters, Jump, candidates, find

WORDS = ["The tide came in", "the boats rose", "Ada counted them", "nobody else did", "so it stayed", "that way"]


def thread(form: str, count: int = 6, first: int = 1) -> list[str]:
    """Return posts in a form: W is some words, I the number, N the last number."""
    texts = []
    for number in range(first, first + count):
        words = WORDS[number % len(WORDS)]
        texts.append(form.replace("I", str(number)).replace("N", str(first + count - 1)).replace("W", words))
    return texts


def written(texts: list[str], counters: Counters) -> list[str]:
    """Return what is taken for a counter, as it is written, post by post."""
    return [" ".join(texts[at][m.start : m.end] for m in counters.marks.get(at, ())) for at in range(len(texts))]


def prose(texts: list[str], counters: Counters) -> list[str]:
    """Return what is left of each text."""
    left = []
    for at, text in enumerate(texts):
        for mark in reversed(counters.marks.get(at, ())):
            text = text[: mark.start] + text[mark.end :]
        left.append(text)
    return left


FORMS = ["I/", "I/N", "(I/N)", "[I/N]", "I / N", "I/n", "I of N", "(I of N)", "(I)", "[I]", "(I/)"]


@pytest.mark.parametrize("form", [f"{f} W" for f in FORMS] + [f"W {f}" for f in FORMS] + ["I. W", "I) W"])
def test_every_form_counts_at_head_and_tail(form: str) -> None:
    """Each way of writing a counter is recognised in a thread that proves it, and nothing else is taken."""
    texts = thread(form)
    found = find(texts)
    assert found.numbers() == [1, 2, 3, 4, 5, 6]
    assert [text.strip() for text in prose(texts, found)] == [WORDS[n % 6] for n in range(1, 7)]
    assert found.total == (6 if "N" in form else 0)
    assert found.jumps == ()


@pytest.mark.parametrize(
    ("form", "left"),
    [
        ("W\n\nI/", "W"),
        ("W I/N https://x.test/a", "W https://x.test/a"),
        ("W I/N\nhttps://x.test/a https://x.test/b", "W https://x.test/a https://x.test/b"),
        ("W I/N #tide #boats", "W #tide #boats"),
        ("W I/N 👇", "W 👇"),
        ("🧵 I/N W", "W"),
        ("🧵I/ W", "W"),
        ("W 🧵 (I/N)", "W"),
        ("W I/🧵", "W"),
        ("@ada @bob.example I/ W", "@ada @bob.example W"),
        ("I/W", "W"),
        ("W.I/", "W."),
        ("\n I/\nW", "W"),
        ("I/ 4 boats W", "4 boats W"),
        ("I/ 30 of 40 W", "30 of 40 W"),
    ],
)
def test_counters_have_company(form: str, left: str) -> None:
    """A counter may stand alone on a line, after mentions, before links and tags, with a 🧵: only it is taken."""
    texts = thread(form)
    found = find(texts)
    assert found.numbers() == [1, 2, 3, 4, 5, 6]
    expected = [left.replace("W", WORDS[n % 6]) for n in range(1, 7)]
    assert [" ".join(text.split()) for text in prose(texts, found)] == expected


@pytest.mark.parametrize("form", ["I W", "W I"])
def test_keycaps_count(form: str) -> None:
    """1️⃣ to 🔟 and on count, with and without the variation selector."""
    caps = [*(f"{n}\ufe0f\u20e3" for n in range(1, 9)), "9\u20e3", "🔟", "1\ufe0f\u20e31\ufe0f\u20e3"]
    texts = [form.replace("I", cap).replace("W", WORDS[n % 6]) for n, cap in enumerate(caps)]
    found = find(texts)
    assert found.numbers() == list(range(1, 12))
    assert written(texts, found) == caps


@pytest.mark.parametrize(
    ("last", "mark"),
    [
        ("Good night. end/", "end/"), ("Good night /end", "/end"), ("Good night (END)", "(END)"),
        ("Good night\nfin", "fin"), ("Fin.", "Fin."), ("end/ Good night", "end/"), ("5/end Good night", "5/end"),
        ("Good night 5/fin", "5/fin"), ("На добраніч /кінець", "/кінець"), ("5/ Good night\n\nend", "5/ end"),
        ("Good night End/ https://x.test/a", "End/"),
    ],
)  # fmt: skip
def test_the_end_is_announced(last: str, mark: str) -> None:
    """A closing "end/" or "fin" counts after the last number or with it, in its many forms, and is told."""
    texts = [*thread("I/ W", 4), last]
    found = find(texts)
    assert written(texts, found)[-1] == mark
    assert found.last
    assert found.jumps == ()


@pytest.mark.parametrize(
    "last", ["It was fine", "Fine.", "Let it never end", "the end", "weekend/", "a dead end\nroad", "(fine)"]
)
def test_an_end_in_a_sentence_is_text(last: str) -> None:
    """The words "end" and "fine" in a sentence are no markers."""
    texts = [*thread("I/ W", 4), last]
    assert written(texts, find(texts))[-1] == ""


def test_the_thread_sign_is_a_marker() -> None:
    """A lone 🧵 in the first post of a proven thread is a marker; elsewhere, or in an unproven one, it is text."""
    texts = ["A short story of the tide 🧵", *thread("I/ W", 4), "We sell 🧵"]
    assert written(texts, find(texts)) == ["🧵", "1/", "2/", "3/", "4/", ""]
    assert find(["A story 🧵", "The tide", "The boats"]).marks == {}


@pytest.mark.parametrize(
    "texts",
    [
        ["We remember 9/11", "It is open 24/7", "They split 52/48"],
        ["1/3 of the regions is dry", "2/3 of them are not", "3/4 is a good share"],
        ["1/2 of my friends left", "2/3 of them came back"],
        ["It went 48/52 first", "then it was 49/51", "and now it is 50/50"],
        ["51/49 in Kremin", "52/48 in Brenn", "53/47 in Larnholt", "54/46 on the islands"],
        ["Nobody gave 100/", "Nobody asked"],
        ["Floods in 2014/", "droughts in 2015/", "floods in 2016/", "fire in 2017/", "hail 2018/", "calm 2019/"],
        ["The mill ran until 10/2022", "the ferry until 11/2022", "the school until 12/2022"],
        ["They won 1/0", "and then 2/0", "and then 3/0", "and 4/0"],
        ["We saw 10% of it", "then 20% of it", "then 30% of it"],
        ["Version 1.1/", "version 1.2/", "version 1.3/"],
        ["and/or 1", "and/or 2", "and/or 3"],
        ["see (3/7", "see (4/7", "see (5/7"],
        ["Why I moved:", "1. The rent", "2. The damp", "3. The noise", "That is all.", "Thank you.", "Bye."],
        ["The soup gets 3/10", "bread 4/10", "cake 5/10", *WORDS],
        ["The year 1. It rained", "The year 2. It rained", "The year 3. It rained"],
        ["17. It rained", "18. It rained", "19. It rained"],
        ["We saw 4/5", "We saw 5/5", *WORDS],
    ],
)
def test_figures_are_text(texts: list[str]) -> None:
    """Fractions, scores, dates, shares, years, marks and lists never lose a character: no sequence proves them."""
    assert find(texts).marks == {}


@pytest.mark.parametrize(
    "figure",
    ["9/11 changed it", "Nobody forgot 9/11", "open 9/9", "9 of 10 agreed", "it is (9)", "It was 9/11 then"],
)
@pytest.mark.parametrize("form", ["I/ W", "W I/"])
def test_a_figure_in_its_place_is_text(form: str, figure: str) -> None:
    """The ninth post of a thread numbered n/ has no counter but a figure with a 9: the figure stays."""
    texts = thread(form, 12)
    texts[8] = figure
    found = find(texts)
    assert found.numbers() == [n for n in range(1, 13) if n != 9]
    assert found.jumps == ()


@pytest.mark.parametrize(
    "figure", ["Merry Christmas 12/25", "on page (12)", "[12]", "12/12 is a date", "12. It rained"]
)
def test_a_figure_after_the_end_is_text(figure: str) -> None:
    """A figure in a postscript does not continue the numbers."""
    for form in ("I/ W", "I/N W", "W (I/N)"):
        texts = [*thread(form, 10), figure]
        assert find(texts).numbers() == list(range(1, 11))


def test_a_figure_beside_a_counter_stays() -> None:
    """Of a post that begins or ends with a figure too, only the counter is taken."""
    texts = thread("I/ W", 12)
    texts[8] = "9/ 9/11 changed it, they say 9/11"
    texts[2] = "3/ 3/4 of it"
    texts[3] = "4/ 40 boats"
    found = find(texts)
    assert written(texts, found) == [f"{n}/" for n in range(1, 13)]


def test_lists_in_a_post_are_text() -> None:
    """A numbered list inside one post is not touched."""
    texts = thread("I/ W\n1. bread\n2. salt\n3. soap", 4)
    assert all(text.endswith("1. bread\n2. salt\n3. soap") for text in prose(texts, find(texts)))
    assert find(["1. bread\n2. salt\n3. soap"]).marks == {}


@pytest.mark.parametrize(
    ("texts", "jumps"),
    [
        (thread("W I/", 16) + thread("W I/", 2, 18), [Jump(16, 1, "16/", "18/")]),
        (thread("I/9 W", 3) + thread("I/9 W", 2, 8), [Jump(3, 4, "3/9", "8/9")]),
        (thread("W I/", 5, 5), [Jump(0, 4, "", "5/")]),
        (thread("(I/20) W", 12), [Jump(12, 8, "12/20", "")]),
        (["Hello", *thread("I/ W", 3), *thread("I/ W", 3, 6)], [Jump(4, 2, "3/", "6/")]),
        (["1/ a", "", "3/ b", "4/ c"], []),
        (["1/ a", "an aside", "3/ b", "4/ c"], []),
        (["1/ a", "an aside", "2/ b", "3/ c", "4/ d"], []),
        (["1/ a", "2/ b", "2/ c", "3/ d"], []),
    ],
)
def test_jumps_are_told(texts: list[str], jumps: list[Jump]) -> None:
    """Numbers that are skipped are told with their place; posts without a number may hold one of them."""
    assert list(find(texts).jumps) == jumps


def test_counting_goes_on_over_the_unnumbered() -> None:
    """An intro, asides and a postscript without a number, and a number given twice, do not end the counting."""
    texts = ["Some of you asked.", "1/ a", "By the way", "2/ b", "2/ c", "3/ d", "4/ e", "Thank you", "for reading"]
    found = find(texts)
    assert found.numbers() == [1, 2, 3, 4]
    assert written(texts, found)[0] == written(texts, found)[2] == ""


def test_forms_may_change() -> None:
    """A total in the first post only, a sloppy bracket, and a total that grows do not end the counting."""
    assert find(["The tide (1/12)", "2/ b", "3/ c", "4/ d"]).numbers() == [2, 3, 4]
    assert find(["(1/12) The tide", "2/ b", "3/ c", "4/ d"]).numbers() == [1, 2, 3, 4]
    assert find(["1/3 of it is dry", "2/ b", "3/ c", "4/ d"]).numbers() == [2, 3, 4]
    assert find(["1/ a", "2) b", "3/ c", "4/ d"]).numbers() == [1, 2, 3, 4]
    assert find([*thread("I/9 W", 7), "8/10 and more", "9/10 yet more"]).numbers() == list(range(1, 10))


def test_two_counters_prove_a_thread_of_two() -> None:
    """1/2 and 2/2 are proof alone; "1/" and "2/" are where nothing else is there; not among many posts."""
    assert find(["The tide 1/2", "The boats 2/2"]).total == 2
    assert find(["1/ The tide", "2/ The boats"]).numbers() == [1, 2]
    assert find(["1/ The tide", "2/ The boats", "Good night /end"]).last == "/end"
    assert find(["1. The tide", "2. The boats"]).marks == {}
    assert find(["I give it 1/5", "I give it 2/5", *WORDS]).marks == {}


@pytest.mark.parametrize("form", ["I/ W", "W I/N"])
def test_long_threads_count(form: str) -> None:
    """A thread of 1,200 posts is counted through."""
    assert find(thread(form, 1200)).numbers() == list(range(1, 1201))


def test_a_late_start_needs_more_proof() -> None:
    """A sequence that starts where no thread starts is believed from five numbers on."""
    assert find(thread("W I/", 3, 100)).marks == {}
    assert find(thread("W I/", 5, 100)).numbers() == [100, 101, 102, 103, 104]


def test_lines_of_a_paste_count() -> None:
    """Of lines only some end a post: the others do not matter, and jumps are not told."""
    lines = "First words\n\nmore words 1/\nSecond\nwords 2/\n\nAn aside\nThird words 3/".split("\n")
    found = find(lines, sparse=True)
    assert {at: marks[0].number for at, marks in found.marks.items()} == {2: 1, 4: 2, 7: 3}
    assert find("Soup 3/10\nBread 4/10\nCake 5/10".split("\n"), sparse=True).marks == {}
    assert find("1/2 cup of salt\n1/3 cup of oil\n2/3 cup of milk\n3/4 cup".split("\n"), sparse=True).marks == {}


TEXTS = st.lists(
    st.text(st.characters() | st.sampled_from("123/()[] .🧵\ufe0f\u20e3\n"), max_size=30)
    | st.builds(
        "{1} {0}".format, st.sampled_from(["1/", "2/", "3/", "4/4", "(5)", "end/", "9/11"]), st.just("words")
    ),
    max_size=12,
)


@given(TEXTS, st.booleans())
def test_marks_are_where_they_say(texts: list[str], sparse: bool) -> None:
    """For any texts: marks are in order, apart, inside their text, and hold a number, "end" or 🧵."""
    found = find(texts, sparse=sparse)
    assert found == find(texts, sparse=sparse)
    assert list(found.marks) == sorted(found.marks)
    for at, marks in found.marks.items():
        ends = [0]
        for mark in marks:
            assert ends[-1] <= mark.start < mark.end <= len(texts[at])
            ends.append(mark.end)
            assert re.search(r"\d|🔟|🧵|end|fin|кон|кін", texts[at][mark.start : mark.end], re.IGNORECASE)
    numbers = found.numbers()
    assert numbers == sorted(set(numbers))


@given(st.text(max_size=700))
def test_candidates_are_inside_the_text(text: str) -> None:
    """For any text: a candidate's range is not empty and inside the text."""
    assert all(0 <= mark.start < mark.end <= len(text) for mark in candidates(text))


def test_long_texts_are_looked_at_their_ends_only() -> None:
    """A counter after a megabyte of white space, brackets or mentions is found by its surroundings."""
    for filler in (" ", "\n", "(", "1/ ", "@a ", "[1", "https://x.test "):
        text = filler * (1_000_000 // len(filler))
        assert [mark.number for mark in candidates(f"{text} 7/") if mark.place == "tail"][:1] == [7]
