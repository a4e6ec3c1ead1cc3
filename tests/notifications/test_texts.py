"""The words that people read. A message is fixed here letter by letter: people see it."""

from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from attendance.models import EVENTS, Event
from attendance.notifications.texts import (
    Facts,
    amended_message,
    anchor_message,
    attendance_message,
    crash_message,
    in_one_line,
    sentence,
    void_message,
)
from attendance.telegram.digest import LONGEST_TEXT
from attendance.telegram.markdown.text import plain

BERLIN = ZoneInfo("Europe/Berlin")
MORNING = datetime(2026, 11, 3, 9, 4, 59, tzinfo=BERLIN)
SPECIALS = "_*[]()~`>#+-=|{}.!\\"

MESSAGES: dict[Event, tuple[str, str]] = {
    "check_in": ("Ada checked in.", "✅ *Ada* checked in"),
    "check_out": ("Ada checked out.", "👋 *Ada* checked out"),
    "break_start": ("Ada started a break.", "☕ *Ada* started a break"),
    "break_end": ("Ada is back from a break.", "💼 *Ada* is back from a break"),
    "present": ("Ada is present.", "🟢 *Ada* is present"),
    "absent": ("Ada is absent.", "⚪ *Ada* is absent"),
    "late": ("Ada is late.", "⏰ *Ada* is late"),
    "leave": ("Ada is on leave.", "🌴 *Ada* is on leave"),
}


@pytest.mark.parametrize("event", EVENTS)
def test_each_event_has_a_sentence_and_a_message(event: Event) -> None:
    said, first_line = MESSAGES[event]

    assert sentence("Ada", event) == said
    assert attendance_message("Ada", event, MORNING) == f"{first_line}\n09:04 · Tue 3 Nov"


def test_place_and_note_have_lines_of_their_own() -> None:
    text = attendance_message(
        "Ada", "late", MORNING, site="HQ", group="Engines & Co", note="the bus\nwas late"
    )

    assert text == "⏰ *Ada* is late\n09:04 · Tue 3 Nov · HQ · Engines & Co\n“the bus\nwas late”"


@pytest.mark.parametrize(("site", "group"), [("HQ", None), (None, "HQ")])
def test_a_site_or_a_group_alone_stands_alone(site: str | None, group: str | None) -> None:
    text = attendance_message("Ada", "late", MORNING, site=site, group=group)

    assert text.splitlines()[1] == "09:04 · Tue 3 Nov · HQ"


def test_nothing_of_a_record_becomes_markup() -> None:
    text = attendance_message(
        SPECIALS, "check_in", MORNING, site=SPECIALS, group=SPECIALS, note=SPECIALS
    )

    assert plain(text) == (
        f"✅ {SPECIALS} checked in\n09:04 · Tue 3 Nov · {SPECIALS} · {SPECIALS}\n“{SPECIALS}”"
    )
    escaped = "".join(f"\\{char}" for char in SPECIALS)
    assert text.count(escaped) == 4


ADA = Facts(person="Ada", person_id="ada", event="check_in", local_time=MORNING)


def test_a_void_record_is_told_with_its_reason() -> None:
    facts = replace(ADA, site="HQ", group="Engines & Co", note="the bus\nwas late")

    text = void_message(facts, "by\nmistake")

    assert text == (
        "🚫 Void: *Ada* checked in · 09:04 · Tue 3 Nov · HQ · Engines & Co · “the bus was late”\n"
        "Reason: by mistake"
    )


def test_an_amended_record_is_told_as_it_is_and_as_it_was() -> None:
    text = amended_message(ADA, replace(ADA, event="late", person="Ben"), "a mix-up")

    assert text == (
        "✏️ Corrected: *Ben* is late · 09:04 · Tue 3 Nov\n"
        "Before: *Ada* checked in · 09:04 · Tue 3 Nov\n"
        "Reason: a mix\\-up"
    )


def test_what_people_do_not_see_has_no_before() -> None:
    text = amended_message(ADA, replace(ADA, device="kiosk-2"), "moved")

    assert text == "✏️ Corrected: *Ada* checked in · 09:04 · Tue 3 Nov\nReason: moved"


def test_a_correction_fits_into_a_line_of_a_digest() -> None:
    text = in_one_line(amended_message(ADA, replace(ADA, event="late"), "late\nafter all"))

    assert text == (
        "✏️ Corrected: *Ada* is late · 09:04 · Tue 3 Nov · "
        "Before: *Ada* checked in · 09:04 · Tue 3 Nov · Reason: late after all"
    )


def test_nothing_of_a_correction_becomes_markup() -> None:
    facts = replace(ADA, person=SPECIALS, site=SPECIALS, group=SPECIALS, note=SPECIALS)
    after = replace(facts, event="late")

    assert plain(void_message(facts, SPECIALS)).count(SPECIALS) == 5
    assert plain(amended_message(facts, after, SPECIALS)).count(SPECIALS) == 9


def test_the_longest_correction_fits_into_a_message() -> None:
    name, note = "x" * 128, "x" * 1000
    before = replace(ADA, person="x" * 200, site=name, group=name, note=note)

    text = amended_message(before, replace(before, event="break_end"), "x" * 500)

    assert len(plain(text)) < LONGEST_TEXT


def test_a_crash_is_told_by_where_to_look() -> None:
    assert crash_message("attendance.recorded", "req-1", "host-1.example") == (
        "🛑 *A request crashed*\n"
        "attendance\\.recorded on host\\-1\\.example\n"
        "Look for request req\\-1 in the log and in the audit trail\\."
    )


def test_a_crash_s_words_become_no_markup_either() -> None:
    text = crash_message(SPECIALS, SPECIALS, SPECIALS)

    assert plain(text).count(SPECIALS) == 3


def test_an_anchor_is_shown_as_code() -> None:
    text = anchor_message("attendance-audit/host\n12\nAAAA=\n")

    assert text == (
        "🔏 *The audit trail is sealed up to here*\n```\nattendance-audit/host\n12\nAAAA=\n```"
    )
