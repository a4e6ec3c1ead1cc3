"""A row as JSON says what the standard library's `json` says of it."""

import json
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from attendance.db import format_utc, json_form
from attendance.db.fast.row_json import row_json

TIMES = st.datetimes(timezones=st.just(UTC))
TEXTS = st.text(st.characters(codec="utf-8"))
NUMBERS = st.integers(-(2**64), 2**64) | st.floats(allow_nan=False, allow_infinity=False)
PLAIN = st.none() | st.booleans() | NUMBERS | TEXTS
NESTED = st.recursive(
    PLAIN, lambda deeper: st.lists(deeper) | st.dictionaries(TEXTS, deeper), max_leaves=6
)


@given(st.dictionaries(TEXTS, NESTED | TIMES | TIMES.map(datetime.date), max_size=5))
def test_the_standard_library_says_the_same_in_the_same_order(row: dict[str, Any]) -> None:
    plain = json.dumps(row, default=json_form)

    assert _in_order(row_json(row)) == _in_order(plain)


def _in_order(text: str) -> Any:
    return json.loads(text, object_pairs_hook=list)


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
