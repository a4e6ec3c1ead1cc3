"""Message texts of the operator's own: what they show, what they refuse, and that nothing a record
holds can break one. The judge is Telegram's own parser."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
import tdjson
from ada import record
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from attendance.app import create_app
from attendance.config import ConfigError, Settings
from attendance.models import EVENTS
from attendance.notifications.texts import FIELDS, Notices, attendance_message
from attendance.telegram.markdown.template import LONGEST, BadTemplate, Template
from attendance.telegram.markdown.text import clean

SPECIALS = "_*[]()~`>#+-=|{}.!\\"


def _late(**values: Any) -> dict[str, Any]:
    return record(**{"event": "late", **values})


def _shown(text: str) -> dict[str, Any] | None:
    """What Telegram makes of the markup: its text and entities; None where it refuses."""
    mode = {"@type": "textParseModeMarkdown", "version": 2}
    call = {"@type": "parseTextEntities", "text": text, "parse_mode": mode}
    answer: dict[str, Any] = json.loads(tdjson.td_execute(json.dumps(call).encode()) or "")
    return None if answer["@type"] == "error" else answer


def _text(template: str, **values: Any) -> str:
    """The plain text that a chat sees."""
    shown = _shown(Notices({"NOTICE_TEMPLATE": template}).message(_late(**values)))
    assert shown is not None
    return str(shown["text"])


@pytest.fixture(scope="module", autouse=True)
def quiet_tdlib() -> None:
    tdjson.td_execute(b'{"@type": "setLogVerbosityLevel", "new_verbosity_level": 0}')


class TestWhatIsShown:
    @pytest.mark.slow
    def test_each_field_has_its_content(self) -> None:
        template = " ".join(f"{{{name}}}" for name in FIELDS)

        assert _text(template, site="HQ", group_name="Engines", device="door", note="the bus") == (
            "Ada ada late is late ⏰ 09:04 Tue 3 Nov HQ Engines door the bus"
        )

    @pytest.mark.parametrize(
        ("template", "shown"),
        [
            ("{person}\\n{words}", "Ada\nis late"),
            ("{person}\n{words}", "Ada\nis late"),
            (r"{person}\\n", "Ada\\n"),  # an escaped backslash, and an n
            ("{{{person}}}", "{Ada}"),
            (r"\{{person}\}", "{Ada}"),
            (r"\{person\}\!", "{person}!"),
            ("`{{}}`", "{}"),
            (r"a\.b", "a.b"),
        ],
    )
    def test_line_breaks_and_braces(self, template: str, shown: str) -> None:
        assert _text(template) == shown

    def test_markup_stays_markup(self) -> None:
        template = ">*{person}* _{words}_\\n[{site}](https://x.org/{site})"
        shown = _shown(Notices({"NOTICE_TEMPLATE": template}).message(_late(site="H_Q")))

        assert shown is not None
        kinds = {
            entity["type"]["@type"].removeprefix("textEntityType"): entity
            for entity in shown["entities"]
        }
        assert set(kinds) == {"BlockQuote", "Bold", "Italic", "TextUrl"}
        assert kinds["TextUrl"]["type"]["url"] == "https://x.org/H_Q"

    @pytest.mark.parametrize(
        ("template", "shown"),
        [
            ("{person}\\n{note}\\n{site} {group}\\nend", "Ada\nend"),
            ("{person}\\n_{note}_", "Ada"),
            ("{person} _{note}_", "Ada \u200b"),  # in a line with others it shows nothing
            ("*{person}\\n{note}*", "Ada\n\u200b"),  # markup leads over the line's end
            ("\\n{person}\\n\\n", "\nAda\n\n"),
        ],
    )
    def test_a_line_of_empty_fields_is_left_out(self, template: str, shown: str) -> None:
        assert _text(template, note=None, site="", group_name=" \u202e") == shown

    def test_where_no_line_is_left_our_own_text_is_shown(self) -> None:
        assert _text("{note}") == "⏰ Ada is late\n09:04 · Tue 3 Nov"

    def test_a_note_of_several_lines_stays_in_its_quotation(self) -> None:
        shown = _shown(
            Notices({"NOTICE_TEMPLATE": ">*{note}*\\nend"}).message(_late(note="a\n> b\n"))
        )

        assert shown is not None
        assert shown["text"] == "a\n> b\nend"
        assert {entity["length"] for entity in shown["entities"]} == {
            5,
            6,
        }  # bold, and the quotation


class TestWhichTemplate:
    def test_unset_the_texts_are_ours(self) -> None:
        assert Notices().message(_late(site="HQ", note="n")) == attendance_message(
            _late(site="HQ", note="n")
        )

    def test_an_event_s_own_goes_before_the_one_for_all(self) -> None:
        notices = Notices({"NOTICE_TEMPLATE": "all", "NOTICE_TEMPLATE_CHECK_IN": "in"})

        assert notices.message(_late(event="check_in")) == "in"
        assert notices.message(_late(event="late")) == "all"

    def test_an_event_s_own_leaves_the_others_alone(self) -> None:
        notices = Notices({"NOTICE_TEMPLATE_CHECK_IN": "in"})

        assert notices.message(_late()) == Notices().message(_late())

    @pytest.mark.parametrize("event", EVENTS)
    def test_each_event_may_have_its_own(self, event: str) -> None:
        notices = Notices({f"NOTICE_TEMPLATE_{event.upper()}": "own {event}"})

        assert notices.message(_late(event=event)).startswith("own ")


BAD: list[tuple[str, str]] = [
    # template                    the remedy says
    ("{persn}", "{persn}, which is no field: there are {person} {person_id}"),
    ("{person", "{{ or }}"),
    ("person}", "{{ or }}"),
    ("{}", "{{ or }}"),
    ("{person!r}", "{{ or }}"),
    ("{time:%H}", "{{ or }}"),
    ("{ person }", "{{ or }}"),
    ("{person}.", "a backslash before"),
    ("*{person}", "close what is opened"),
    ("_{person}*", "close what is opened"),
    ("_{person}__{site}_", "close what is opened"),
    ("{person}>", "a backslash before"),
    ("![x](tg://emoji?id={person_id})", "write the address out"),
    ("![x](tg://emoji?id=nonsense)", "tg://emoji"),
    ("*{person}*" + "x" * LONGEST, "shorten it"),
]


class TestWhatIsRefused:
    @pytest.mark.parametrize(("template", "remedy"), BAD)
    @pytest.mark.parametrize("variable", ["NOTICE_TEMPLATE", "NOTICE_TEMPLATE_LEAVE"])
    def test_in_one_sentence_that_names_the_variable(
        self, variable: str, template: str, remedy: str
    ) -> None:
        with pytest.raises(ConfigError) as caught:
            Notices({variable: template})

        sentence = str(caught.value)
        assert sentence.startswith(f"{variable} ")
        assert remedy in sentence
        assert "\n" not in sentence
        assert len(sentence) < 300

    def test_a_variable_of_no_event(self) -> None:
        with pytest.raises(ConfigError, match=r"^NOTICE_TEMPLATE_CHECKIN names no event: .*_IN,"):
            Notices({"NOTICE_TEMPLATE_CHECKIN": "x"})

    def test_the_service_does_not_start(self, database_url: str) -> None:
        settings = Settings.from_env({"DATABASE_URL": database_url, "NOTICE_TEMPLATE": "{persn}"})

        with pytest.raises(ConfigError, match="NOTICE_TEMPLATE has"):
            create_app(settings)


PIECES = st.sampled_from(
    [
        *(f"{{{name}}}" for name in FIELDS),
        *("*", "_", "__", "~", "||", "`", "```", "[", "](https://x.org/", ")", ">", "\\n", "\\n>"),
        *("**>", "![", "](tg://emoji?id=5)", "||\\n", "{{", "}}", "a", " ", "\\.", "\\\\", "\\*"),
    ]
)
PAIRS = st.sampled_from(
    [
        ("*", "*"),
        ("_", "_"),
        ("__", "__"),
        ("~", "~"),
        ("||", "||"),
        ("`", "`"),
        ("```\\n", "```"),
        ("[", "](https://x.org/a)"),
        ("\\n>", "\\n"),
    ]
)


def _wrapped(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    def wrap(pair: tuple[str, str], within: str) -> str:
        return f"{pair[0]}{within}{pair[1]}"

    return st.builds(wrap, PAIRS, inner) | st.lists(inner, max_size=4).map("".join)


TEMPLATES = st.recursive(PIECES, _wrapped, max_leaves=8)
CONTENTS = st.text(
    st.sampled_from([*SPECIALS, "\n", "\r", "\t", "a", "é", "\u030a", "😀", "\u202e", " ", "n"])
    | st.characters(exclude_categories=["Cs"]),
    max_size=12,
)


def _accepted(template: str) -> Template | None:
    try:
        return Template(template, FIELDS)
    except BadTemplate:
        return None


@pytest.mark.slow
@settings(max_examples=1500, deadline=None)
@given(TEMPLATES, st.fixed_dictionaries(dict.fromkeys(FIELDS, CONTENTS)))
def test_no_content_of_a_field_breaks_a_template(template: str, values: Mapping[str, str]) -> None:
    made = _accepted(template)
    assume(made is not None)
    assert made is not None

    # The client cleans what it sends.
    markup = clean(made.render(values))

    assert not markup or _shown(markup) is not None, markup


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(CONTENTS)
def test_a_field_shows_its_content_and_nothing_else(content: str) -> None:
    shown = _shown(f"x{clean(Template('{note}', ('note',)).render({'note': content}))}x")

    assert shown is not None
    assert (shown["text"], shown["entities"]) == (f"x{clean(content).strip()}x", [])
