"""The words that people read. A message is fixed here letter by letter: people see it."""

import pytest
from ada import record

from attendance.models import EVENTS, Event
from attendance.notifications.texts import (
    amended_message,
    anchor_message,
    attendance_line,
    attendance_message,
    crash_message,
    in_one_line,
    sentence,
    void_message,
)
from attendance.telegram.digest import LONGEST_TEXT
from attendance.telegram.markdown.text import plain

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
    assert attendance_message(record(event=event)) == f"{first_line}\n09:04 · Tue 3 Nov"


def test_place_and_note_have_lines_of_their_own() -> None:
    late = record(event="late", site="HQ", group_name="Engines & Co", note="the bus\nwas late")

    text = attendance_message(late)

    assert text == "⏰ *Ada* is late\n09:04 · Tue 3 Nov · HQ · Engines & Co\n“the bus\nwas late”"


@pytest.mark.parametrize(("site", "group"), [("HQ", None), (None, "HQ")])
def test_a_site_or_a_group_alone_stands_alone(site: str | None, group: str | None) -> None:
    text = attendance_message(record(event="late", site=site, group_name=group))

    assert text.splitlines()[1] == "09:04 · Tue 3 Nov · HQ"


def test_nothing_of_a_record_becomes_markup() -> None:
    text = attendance_message(
        record(person_name=SPECIALS, site=SPECIALS, group_name=SPECIALS, note=SPECIALS)
    )

    assert plain(text) == (
        f"✅ {SPECIALS} checked in\n09:04 · Tue 3 Nov · {SPECIALS} · {SPECIALS}\n“{SPECIALS}”"
    )
    escaped = "".join(f"\\{char}" for char in SPECIALS)
    assert text.count(escaped) == 4


def test_who_has_no_name_is_called_by_their_id() -> None:
    assert attendance_message(record(person_name=None)).startswith("✅ *ada* checked in")


@pytest.mark.parametrize(
    ("timezone", "when"),
    [
        ("UTC", "08:04 · Tue 3 Nov"),
        ("America/New_York", "03:04 · Tue 3 Nov"),
        ("Pacific/Auckland", "21:04 · Tue 3 Nov"),
        ("Pacific/Kiritimati", "22:04 · Tue 3 Nov"),
        ("Pacific/Honolulu", "22:04 · Mon 2 Nov"),
    ],
)
def test_a_time_is_told_by_the_clock_of_the_place(timezone: str, when: str) -> None:
    told = record(timezone=timezone)

    assert attendance_message(told).splitlines()[1] == when
    assert attendance_line(told).startswith(f"✅ {when[:5]} *Ada* checked in")


def test_a_line_of_a_digest_has_place_and_note_and_no_break() -> None:
    late = record(event="late", site="HQ", group_name="Engines", note="the bus\nwas late")

    assert attendance_line(late) == "⏰ 09:04 *Ada* is late · HQ · Engines · “the bus was late”"


ADA = record()


def test_a_void_record_is_told_with_its_reason() -> None:
    told = record(site="HQ", group_name="Engines & Co", note="the bus\nwas late")

    text = void_message(told, "by\nmistake")

    assert text == (
        "🚫 Void: *Ada* checked in · 09:04 · Tue 3 Nov · HQ · Engines & Co · “the bus was late”\n"
        "Reason: by mistake"
    )


def test_an_amended_record_is_told_as_it_is_and_as_it_was() -> None:
    text = amended_message(ADA, record(event="late", person_name="Ben"), "a mix-up")

    assert text == (
        "✏️ Corrected: *Ben* is late · 09:04 · Tue 3 Nov\n"
        "Before: *Ada* checked in · 09:04 · Tue 3 Nov\n"
        "Reason: a mix\\-up"
    )


def test_what_people_do_not_see_has_no_before() -> None:
    text = amended_message(ADA, record(device="kiosk-2"), "moved")

    assert text == "✏️ Corrected: *Ada* checked in · 09:04 · Tue 3 Nov\nReason: moved"


def test_a_correction_fits_into_a_line_of_a_digest() -> None:
    text = in_one_line(amended_message(ADA, record(event="late"), "late\nafter all"))

    assert text == (
        "✏️ Corrected: *Ada* is late · 09:04 · Tue 3 Nov · "
        "Before: *Ada* checked in · 09:04 · Tue 3 Nov · Reason: late after all"
    )


def test_nothing_of_a_correction_becomes_markup() -> None:
    before = record(person_name=SPECIALS, site=SPECIALS, group_name=SPECIALS, note=SPECIALS)
    after = {**before, "event": "late"}

    assert plain(void_message(before, SPECIALS)).count(SPECIALS) == 5
    assert plain(amended_message(before, after, SPECIALS)).count(SPECIALS) == 9


def test_the_longest_correction_fits_into_a_message() -> None:
    name, note = "x" * 128, "x" * 1000
    before = record(person_name="x" * 200, site=name, group_name=name, note=note)

    text = amended_message(before, {**before, "event": "break_end"}, "x" * 500)

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
