"""What we escape, Telegram's own parser reads back as the same text. The parser runs offline."""

import itertools
import json
import unicodedata
from collections.abc import Callable
from typing import Any

import pytest
import tdjson
from hypothesis import given, settings
from hypothesis import strategies as st

from attendance.telegram.markdown.text import bold, clean, code, cut, escape, link, plain

SPECIALS = "_*[]()~`>#+-=|{}.!\\"

NAMES_AND_NOTES = [
    "Ada Lovelace",
    "O'Brien-Smith, Jr.",
    "محمد بن سلمان",
    "דוד בן־גוריון (מנהל)",
    "مرحبا *world* שלום",
    "\u202eevil\u202c \u2066isolated\u2069",
    "👩‍👩‍👧‍👦 family 🏳️‍🌈 🇩🇪 👍🏽",
    "A\u030angstro\u0308m",  # decomposed: Telegram would take the ring
    "Zo\u0308e\u030a\u0333\u033f",
    "a" + "\u0301" * 50,
    "=\u0338 <\u0338 >\u0338",  # compose to ≠ ≮ ≯, one of which has nothing to escape
    "\u0338 at the start",
    "\\", "\\\\", "\\\\\\", "\\*", "*\\", "\\n", "C:\\new\\table", "\\\\server\\share",
    "_*_*_", "***", "**bold**", "__under__", "||spoiler||", "~~gone~~", "`code`", "```pre```",
    "[text](http://example.org)", "![x](tg://emoji?id=1)", "](", ")[", "[[[[", "]]]]", "((", "))",
    "> quoted", "line\n> quoted\n>", ">\n>\n**>", "# title", "1. one\n2. two", "- a\n+ b\n* c",
    "a\rb\r\nc", "tab\there", "bell\x07 esc\x1b[31m del\x7f", "\x01\x02\x1f",
    "line\u2028separator\u2029here", "zero\u200bwidth\u200d \ufeff",
    "@admin, see https://example.org/?a=1&b=(2) /start #late me@example.org +49 30 123456",
    "tg://user?id=1", "$AAPL $€", "<b>html</b> &amp; &#42;", "{\"json\": [1, 2]}", "%s %d {} ${x}",
    "'; DROP TABLE attendance; --", "\u00a0nbsp\u00a0", "   spaces   ", "\n\nnewlines\n\n",
    "ﷺ" * 30, "Z̸a̴l̷g̵o̶", "x" * 4096, "." * 4096, "😀" * 4096, "\\" * 4096, "*_" * 2048,
]  # fmt: skip
RUNS = ["".join(run) for size in (1, 2) for run in itertools.product(SPECIALS, repeat=size)]
EMBEDDED = [f"a{run}{run}b {run}\n{run}" for run in RUNS]
ANYTHING = st.text(st.characters(codec=None) | st.sampled_from(SPECIALS + "\n\u030a\u0338\u202e"))
WITHOUT_SURROGATES = st.text(st.characters(codec="utf-8") | st.sampled_from(SPECIALS))


def ask_telegram(request: dict[str, Any]) -> dict[str, Any]:
    answer = tdjson.td_execute(json.dumps(request).encode())
    assert answer is not None
    parsed: dict[str, Any] = json.loads(answer)
    return parsed


@pytest.fixture(scope="module", autouse=True)
def quiet_library() -> None:
    ask_telegram({"@type": "setLogVerbosityLevel", "new_verbosity_level": 0})


def parsed(markup: str) -> tuple[str, list[str]]:
    """The text and the kinds of entities that Telegram's parser makes of MarkdownV2."""
    mode = {"@type": "textParseModeMarkdown", "version": 2}
    answer = ask_telegram({"@type": "parseTextEntities", "text": markup, "parse_mode": mode})
    assert answer["@type"] == "formattedText", answer
    return answer["text"], [entity["type"]["@type"] for entity in answer["entities"]]


def as_telegram_cleans(text: str) -> str:
    """The text after the clean-up that every incoming message gets."""
    message = {"@type": "formattedText", "text": text, "entities": []}
    cleaned: str = ask_telegram({"@type": "parseMarkdown", "text": message})["text"]
    return cleaned


@pytest.mark.parametrize("text", NAMES_AND_NOTES)
def test_a_name_or_note_is_shown_as_it_is(text: str) -> None:
    assert parsed(escape(text)) == (clean(text), [])


def test_every_run_of_specials_is_shown_as_it_is() -> None:
    for text in RUNS + EMBEDDED:
        assert parsed(escape(text)) == (text, [])


@pytest.mark.slow
@given(ANYTHING)
@settings(max_examples=500, deadline=None)
def test_any_text_is_shown_as_it_is(text: str) -> None:
    assert parsed(escape(text)) == (clean(text), [])


@pytest.mark.parametrize("special", SPECIALS)
def test_each_escape_is_needed_somewhere(special: str) -> None:
    """The control: left bare, every special is refused or changes what is shown."""
    shown = []
    for text in (f"a{special}b", f"{special}a{special}b", f"{special}*"):
        try:
            shown.append(parsed(text) == (text, []))
        except AssertionError:
            shown.append(False)
    assert not all(shown)


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (bold, "textEntityTypeBold"),
        (code, "textEntityTypeCode"),
        (lambda text: link(text, "https://example.org/a_(b)\\c?d=*"), "textEntityTypeTextUrl"),
    ],
)
@pytest.mark.parametrize("text", [text for text in NAMES_AND_NOTES if text.strip()])
def test_formatted_text_is_shown_as_it_is(make: Callable[[str], str], kind: str, text: str) -> None:
    shown, kinds = parsed(make(text))
    assert shown == clean(text) == plain(make(text))
    assert set(kinds) == {kind}


def test_a_link_leads_where_it_was_told_to() -> None:
    mode = {"@type": "textParseModeMarkdown", "version": 2}
    markup = link("here", "https://example.org/a_(b)?c=*")
    answer = ask_telegram({"@type": "parseTextEntities", "text": markup, "parse_mode": mode})
    assert answer["entities"][0]["type"]["url"] == "https://example.org/a_(b)?c=*"


def test_empty_formatting_leaves_nothing_that_could_pair_with_its_neighbour() -> None:
    assert parsed(bold("") + bold("a") + code("") + code("b")) == (
        "ab",
        ["textEntityTypeBold", "textEntityTypeCode"],
    )


@pytest.mark.slow
@given(ANYTHING, ANYTHING, ANYTHING)
@settings(max_examples=300, deadline=None)
def test_plain_takes_our_own_markup_away_as_telegram_does(a: str, b: str, c: str) -> None:
    markup = f"{bold(a)} {escape(b)}\n{code(c)} {link(b, 'https://example.org/)')}"
    assert plain(markup) == parsed(markup)[0]


def test_plain_leaves_what_was_never_markup() -> None:
    assert plain("2*3 = [6 and `more") == "2*3 = [6 and `more"


@pytest.mark.slow
def test_cleaning_is_what_telegram_does_to_every_code_point() -> None:
    """Only the composition is ours: Telegram would take the ring from a decomposed Å."""
    markdown = "*_`~|["
    points = [chr(n) for n in range(0x110000) if not 0xD800 <= n <= 0xDFFF]
    lines = [f"x{point}y" for point in points if point not in markdown]
    for start in range(0, len(lines), 4000):
        text = "\n".join(lines[start : start + 4000])
        assert unicodedata.normalize("NFC", as_telegram_cleans(text)) == clean(text)


@pytest.mark.slow
@given(ANYTHING)
@settings(max_examples=300, deadline=None)
def test_a_clean_text_stays_as_it_is(text: str) -> None:
    cleaned = clean(text)
    assert clean(cleaned) == cleaned
    assert cleaned.encode("utf-8").decode() == cleaned
    assert clean(escape(text)) == escape(text)


def test_a_decomposed_ring_survives() -> None:
    assert clean("A\u030angstro\u0308m") == "Ångström"
    assert as_telegram_cleans("A\u030a") == "A"  # the control


@pytest.mark.slow
@given(WITHOUT_SURROGATES, st.integers(min_value=1, max_value=60))
def test_cut_keeps_the_beginning_and_the_limit(text: str, limit: int) -> None:
    shortened = cut(text, limit)
    assert len(shortened) <= limit
    assert shortened == text if len(text) <= limit else shortened.endswith("…")
    assert text.startswith(shortened.removesuffix("…"))
