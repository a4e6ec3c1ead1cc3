"""The sandbox reads MarkdownV2 exactly as TDLib does: same text, entities and refusals."""

import json
import random
from collections import Counter

import pytest
import tdjson

from attendance.sandbox import cleanup
from attendance.telegram.markdown import markup
from attendance.telegram.markdown.entities import utf16_length

NAMES = {
    "PreCode": "pre",
    "TextUrl": "text_link",
    "MentionName": "text_mention",
    "CustomEmoji": "custom_emoji",
    "ExpandableBlockQuote": "expandable_blockquote",
    "DateTime": "date_time",
}
PIECES = [
    *("*", "_", "__", "~", "|", "||", "`", "```", "```py\n", "[", "]", "](", "(", ")", "![", ">"),
    *("\n", "\n>", "\r", "\r\n", "||\n", "\\", "\\*", "\\\n", "#", ".", "-", "!", "=", "{", "\t"),
    *("a", "bc", " ", "é", "😀", "\v", "\x01", "~a~", "*b*", "_i_", "http://a.b", "tg:emoji?id=5"),
    *("](http://x.y/z)", "](https://u:p@Ex.com:080?q=1 2#f)", "](tg://resolve?d=1)", "](x)"),
    *("](http://[::1]/)", "](a.b\\))", "](tg://user?id=12)", "](tg://emoji?id=99)"),
    "](tg://time?unix=12&format=t)",
]
BLANKS = ["a", "b c", " ", "\n", "\t", "\r", "\x01", "é", "😀", "\u2028", "\u202e", "A\u030a"]
MARKS = ["\u200b", "\u200e", "\u200f", "\u200e\u200f\u200e", "\u3000", "\u0333x"]
PAIRS = [("*", "*"), ("_", "_\r"), ("__", "__"), ("~", "~"), ("||", "||")]
VERBATIM = [("`", "`"), ("```py\n", "```"), ("```\n", "```")]
AROUND = [*PAIRS, *VERBATIM, ("[", "](http://a.b/c?d)"), ("![", "](tg://emoji?id=4)")]


def tdlib(function: str, **arguments: object) -> dict[str, object]:
    answer = tdjson.td_execute(json.dumps({"@type": function, **arguments}).encode())
    assert answer is not None
    values: dict[str, object] = json.loads(answer)
    return values


@pytest.fixture(scope="module", autouse=True)
def quiet_tdlib() -> None:
    tdlib("setLogVerbosityLevel", new_verbosity_level=0)


def tdlib_parse(text: str) -> dict[str, object]:
    mode = {"@type": "textParseModeMarkdown", "version": 2}
    return tdlib("parseTextEntities", text=text, parse_mode=mode)


def as_bot_api(answer: dict[str, object]) -> object:
    """TDLib's answer in the Bot API's terms: a refusal's words, or text and entities."""
    if answer["@type"] == "error":
        return str(answer["message"]).removeprefix("Can't parse entities: ")
    entities = answer["entities"]
    assert isinstance(entities, list)
    return answer["text"], [
        {
            "type": NAMES.get(
                kind := e["type"]["@type"].removeprefix("textEntityType"), kind.lower()
            ),
            "offset": e["offset"],
            "length": e["length"],
            **details(e["type"]),
        }
        for e in entities
    ]


def details(kind: dict[str, object]) -> dict[str, object]:
    known = ("language", "url", "custom_emoji_id", "unix_time")
    user = {"user": {"id": kind["user_id"]}} if "user_id" in kind else {}
    return {**{name: kind[name] for name in known if name in kind}, **user}


def sandbox_parse(text: str) -> object:
    try:
        formatted = markup.parse(text)
    except markup.MarkupError as error:
        return str(error)
    entities = [entity.as_json() for entity in formatted.entities]
    for entity in entities:
        entity.pop("date_time_format", None)  # TDLib answers it as an object of flags
    return formatted.text, entities


def broken_text(chance: random.Random) -> str:
    return "".join(chance.choices(PIECES, k=chance.choice([1, 2, 3, 4, 6, 9, 14, 20])))


def balanced_text(chance: random.Random, depth: int = 0) -> str:
    """Text whose markup closes in order; it may still break a rule of its own."""
    parts = []
    for _ in range(chance.randint(1, 4)):
        begin, end = chance.choice([*AROUND, ("", ""), ("\n>q", "\n"), ("\n>q", "||\n")])
        deeper = begin not in {"", "`", "```\n", "```py\n"} and depth < 3
        inner = balanced_text(chance, depth + 1) if deeper else chance.choice(["a ", "é", "😀\\."])
        parts.append(begin + (inner.replace("\n", "") if "q" in begin else inner) + end)
    return "".join(parts)


@pytest.mark.slow
@pytest.mark.parametrize(("write", "least_accepted"), [(broken_text, 300), (balanced_text, 1500)])
def test_ten_thousand_generated_texts_are_read_as_tdlib_reads_them(
    write: object, least_accepted: int
) -> None:
    assert callable(write)
    chance = random.Random(20261123)  # noqa: S311 - the same texts each time
    seen: Counter[bool] = Counter()
    for _ in range(5_000):
        text = write(chance)
        expected = as_bot_api(tdlib_parse(text))
        assert sandbox_parse(text) == expected, repr(text)
        seen[isinstance(expected, tuple)] += 1
    assert seen[True] >= least_accepted, "the generator must also write valid texts"
    assert seen[False] >= 1_000, "the generator must also write invalid texts"


@pytest.mark.parametrize(
    "link",
    [
        *("http://a.b", "HTTPS://A.B:0443/x?y#z", "a.b/c d", "ftp://a.b", "http://localhost"),
        *("http://a.b:0", "http://a.b:65536", "http://a.b:-1", "http://a.b:", "http://@a.b"),
        *("http://u@v@a.b", "http://u:p@a.b", "http://:80", "http://[::1]:8080/x", "[::1]"),
        *("http://[::g]", "http://[fe80::1%25x]", "http://a.b%2", "http://a%2eb.c", "http://é.x"),
        *("http://a_b.c", "http://a<b.c", "http://.", "http://a.b?x", "http://a.b#x", "//a.b"),
        *("tg://resolve?domain=x", "tg:resolve/?a", "TG://Join", "tg://a.b", "tg://u@x", "tg:"),
        *("tg://https://x.y", "tg:http://x", "ton://transfer/x", "tonsite://a.ton/b", "ton://a.b"),
        *("tg://user?id=5", "tg:USER/?a=1&id=7#x", "tg://user?id=0", "tg://user?id=-3"),
        *("tg://user?id=01", "tg://users?id=5", "tg://user#?id=5", "tg://user", "tg://user?x=1"),
        *("tg://user?id=1099511627775", "tg://user?id=1099511627776", "tg://user?id=x&id=5"),
        *(" http://a.b", "http://a.b ", "http://a b.c", "a.b\n", "", " ", ".", "a", "http://"),
    ],
)
def test_an_address_is_normalised_or_dropped_as_tdlib_does(link: str) -> None:
    text = f"[x]({link})"
    assert sandbox_parse(text) == as_bot_api(tdlib_parse(text))


@pytest.mark.parametrize(
    "link",
    [
        *("tg://emoji?id=5", "tg:emoji?id=-5", "tg://emoji?id=0", "tg://emoji?id=x", "tg://emoji"),
        *("TG://EMOJI?ID=5", "TG://EMOJI/?id=5", "tg://emoji?id=9223372036854775808", "a.b"),
        *(
            "tg://time?unix=1",
            "tg://time?unix=0",
            "tg://time?unix=1&format=r",
            "tg://time?format=t",
        ),
        *("tg://time?unix=1&format=rt", "tg://time?unix=1&format=wDT", "tg://time?unix=2147483648"),
        *("tg://time?unix=1&unix=x", "tg://time?unix=1&unix=2", "tg://time?unix=1&format="),
    ],
)
def test_an_emoji_or_a_time_is_accepted_or_refused_as_tdlib_does(link: str) -> None:
    text = f"![x]({link})"
    assert sandbox_parse(text) == as_bot_api(tdlib_parse(text))


def painted(text: str, entities: list[dict[str, object]]) -> list[set[str]]:
    """The styles of each UTF-16 unit, however the entities are cut or joined."""
    styles: list[set[str]] = [set() for _ in range(utf16_length(text))]
    for entity in entities:
        begin, length = int(str(entity["offset"])), int(str(entity["length"]))
        for unit in styles[begin : begin + length]:
            unit.add(str(entity["type"]))
    return styles


def styled_text(chance: random.Random, depth: int = 0) -> str:
    """Nested styles around awkward characters, with letters at both ends: nothing to trim."""
    parts = []
    for _ in range(chance.randint(1, 4)):
        begin, end = chance.choice([*PAIRS, ("", "")])
        deeper = bool(begin) and depth < 3
        parts.append(
            begin
            + (styled_text(chance, depth + 1) if deeper else chance.choice(BLANKS + MARKS))
            + end
        )
    return "".join(parts) if depth else f"x{''.join(parts)}y"


@pytest.mark.slow
def test_two_thousand_texts_are_cleaned_as_tdlib_cleans_them() -> None:
    chance, compared = random.Random(20261124), 0  # noqa: S311 - the same texts each time
    while compared < 2_000:
        text = styled_text(chance)
        parsed = tdlib_parse(text)
        if parsed["@type"] == "error":
            continue
        # Markdown of version 3 finds nothing in these, so this is the clean-up alone.
        expected = as_bot_api(tdlib("parseMarkdown", text=parsed))
        assert isinstance(expected, tuple)
        cleaned = cleanup.clean(markup.parse(text))
        entities = [entity.as_json() for entity in cleaned.entities]
        assert cleaned.text == expected[0], repr(text)
        assert painted(cleaned.text, entities) == painted(*expected), repr(text)
        compared += 1


@pytest.mark.parametrize(
    ("raw", "text", "bold"),
    [
        (" \n*a* \n", "a", [(0, 1)]),
        (" *\n a *b", "\n a b", [(0, 4)]),  # an entity keeps the blanks that it begins with
        ("a* *", "a", []),
        ("a*\n b \n*", "a\n b", [(1, 3)]),
        ("*\r*", "", []),
        (" \u200b\u2003\n", "", []),
    ],
)
def test_blanks_at_the_ends_are_trimmed(raw: str, text: str, bold: list[tuple[int, int]]) -> None:
    cleaned = cleanup.clean(markup.parse(raw))
    assert cleaned.text == text
    assert [(entity.offset, entity.length) for entity in cleaned.entities] == bold


def test_past_a_hundred_entities_formatting_is_dropped_silently() -> None:
    cleaned = cleanup.clean(markup.parse("*a* " * 101))
    assert len(cleaned.entities) == 100
    assert cleaned.text == "a " * 100 + "a"
