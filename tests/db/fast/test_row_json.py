"""A row as JSON: the form of times, and what is deeper in it."""

import json
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from attendance.db import format_utc
from attendance.db.fast.row_json import row_json

TIMES = st.datetimes(timezones=st.just(UTC))


@given(TIMES, st.text(st.characters(codec="utf-8")), st.integers(-(2**63), 2**63 - 1))
def test_a_row_is_json_with_its_times_as_text(time: datetime, words: str, number: int) -> None:
    row = {"at": time, "day": time.date(), "words": words, "number": number, "nothing": None}
    text = {"at": format_utc(time), "day": time.date().isoformat()}
    assert json.loads(row_json(row)) == {**row, **text}


def test_what_json_does_not_know_is_written_as_text() -> None:
    assert row_json({"place": ZoneInfo("Europe/Berlin"), "said": "“Grüße”"}) == (
        '{"place":"Europe/Berlin","said":"“Grüße”"}'
    )


def test_numbers_and_what_is_nested_come_back_as_they_were() -> None:
    row = {"latitude": 52.5, "tiny": 1e-7, "is": True, "filter": {"ids": [1, 2**63], "of": None}}

    assert json.loads(row_json(row)) == row
