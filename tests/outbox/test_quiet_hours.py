"""Hours in which a chat is told without a sound, in the operator's zone."""

from dataclasses import replace
from datetime import datetime, time
from zoneinfo import ZoneInfo

import pytest
from bench import Bench
from sqlalchemy import update

from attendance.outbox import quiet_hours
from attendance.outbox.models import Chat

pytestmark = pytest.mark.both_databases

NIGHT = "22:00-07:00"


@pytest.mark.parametrize(
    ("hours", "at", "expected"),
    [
        (None, "03:00", False),
        (NIGHT, "21:59", False),
        (NIGHT, "22:00", True),  # it begins
        (NIGHT, "23:59", True),
        (NIGHT, "00:00", True),  # and leads over midnight
        (NIGHT, "06:59", True),
        (NIGHT, "07:00", False),  # the end does not belong
        ("12:00-13:00", "12:59", True),
        ("12:00-13:00", "13:00", False),
        ("00:00-23:59", "23:59", False),
    ],
)
def test_which_times_are_quiet(hours: str | None, at: str, *, expected: bool) -> None:
    assert quiet_hours.is_quiet(hours, time.fromisoformat(at)) is expected


@pytest.mark.parametrize(
    "wrong", ["", "22-7", "24:00-07:00", "22:00-22:00", "22:00\u201307:00", "\u0662\u0662:00-07:00"]
)
def test_what_is_no_span_of_hours_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match="22:00-07:00"):
        quiet_hours.parse(wrong)


@pytest.mark.parametrize(("hour", "silent"), [(21, False), (23, True), (2, True), (8, False)])
def test_a_message_is_silent_in_the_chats_quiet_hours(
    bench: Bench, hour: int, *, silent: bool
) -> None:
    zone = ZoneInfo("Asia/Tokyo")
    bench.policy = replace(bench.policy, timezone=zone)
    bench.clock.now = datetime(2026, 11, 23, hour, 30, tzinfo=zone)
    bench.enqueue()
    bench.database.write(lambda c: c.execute(update(Chat).values(quiet_hours=NIGHT)) and None)
    assert bench.claim_one().outgoing.silent is silent


@pytest.mark.parametrize("whose", ["the message's", "the chat's"])
def test_silence_may_be_the_messages_or_the_chats(bench: Bench, whose: str) -> None:
    bench.enqueue(silent=whose == "the message's")
    silent = whose == "the chat's"
    bench.database.write(lambda c: c.execute(update(Chat).values(silent=silent)) and None)
    assert bench.claim_one().outgoing.silent
