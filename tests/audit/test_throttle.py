"""Refusals and crashes: the first of a kind one by one, the rest of the minute counted."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from trails import NINE, Trail

from attendance.audit import ANONYMOUS
from attendance.audit.throttle import Kind, Throttle, append_repeated

pytestmark = pytest.mark.both_databases

STRANGER = Kind("attendance.recorded", 401, "unauthenticated", ANONYMOUS, "192.0.2.7")

CRASH = Kind("attendance.recorded", 500, "internal_error", ANONYMOUS, "192.0.2.7")


def from_address(number: int) -> Kind:
    return Kind("attendance.recorded", 401, "unauthenticated", ANONYMOUS, f"2001:db8::{number:x}")


@pytest.fixture
def refusals() -> Throttle:
    return Throttle()


def test_the_first_ten_of_a_kind_have_rows_of_their_own(refusals: Throttle) -> None:
    assert [refusals.admit(NINE, STRANGER) for _ in range(13)] == [True] * 10 + [False] * 3


def test_the_rest_is_told_when_the_minute_is_over(refusals: Throttle) -> None:
    for second in range(30):
        refusals.admit(NINE + timedelta(seconds=second), STRANGER)

    assert refusals.take_over(NINE + timedelta(seconds=59)) == ()
    [told] = refusals.take_over(NINE + timedelta(seconds=60))
    assert (told.kind, told.count) == (STRANGER, 20)
    assert told.last - told.first == timedelta(seconds=19)
    assert refusals.take_over(NINE + timedelta(hours=1)) == ()


def test_in_the_next_minute_they_have_rows_again(refusals: Throttle) -> None:
    for _ in range(11):
        refusals.admit(NINE, STRANGER)
    refusals.take_over(NINE + timedelta(minutes=1))

    assert refusals.admit(NINE + timedelta(minutes=1), STRANGER)


def test_at_the_stop_the_minute_need_not_be_over(refusals: Throttle) -> None:
    for _ in range(11):
        refusals.admit(NINE, STRANGER)

    assert [told.count for told in refusals.take_over(NINE, all_of_them=True)] == [1]


def test_a_clock_that_was_ahead_does_not_keep_the_minute_open(refusals: Throttle) -> None:
    for _ in range(11):
        refusals.admit(NINE + timedelta(days=1), STRANGER)

    assert [told.count for told in refusals.take_over(NINE)] == [1]


def test_what_could_not_be_written_is_counted_with_the_next(refusals: Throttle) -> None:
    for _ in range(12):
        refusals.admit(NINE, STRANGER)
    later = NINE + timedelta(minutes=1)
    refusals.put_back(refusals.take_over(later))
    refusals.put_back(())
    for _ in range(12):
        refusals.admit(later, STRANGER)

    [told] = refusals.take_over(later)
    assert (told.count, told.first, told.last) == (4, NINE, later)


@pytest.mark.slow
def test_many_callers_cannot_make_many_rows(refusals: Throttle) -> None:
    admitted = sum(refusals.admit(NINE, from_address(number)) for number in range(10_000))
    told = refusals.take_over(NINE, all_of_them=True)

    assert admitted <= 60
    assert len(told) <= 51
    assert admitted + sum(one.count for one in told) == 10_000


@pytest.mark.slow
def test_one_who_is_loud_does_not_hide_another(refusals: Throttle) -> None:
    for _ in range(100_000):
        refusals.admit(NINE, STRANGER)

    assert refusals.admit(NINE, from_address(1))


@pytest.mark.slow
def test_however_much_is_refused_the_first_crash_has_a_row_of_its_own(refusals: Throttle) -> None:
    for number in range(10_000):
        refusals.admit(NINE, from_address(number))

    assert [refusals.admit(NINE, CRASH) for _ in range(11)] == [True] * 10 + [False]


@pytest.mark.slow
def test_however_much_crashes_the_first_refusal_has_one(refusals: Throttle) -> None:
    crashes = [replace(CRASH, source_ip=f"2001:db8::{number:x}") for number in range(10_000)]
    admitted = sum(refusals.admit(NINE, crash) for crash in crashes)

    assert admitted <= 60
    assert refusals.admit(NINE, STRANGER)


def test_repeated_crashes_are_told_as_crashes(refusals: Throttle, trail: Trail) -> None:
    for kind in [STRANGER, CRASH]:
        for _ in range(12):
            refusals.admit(NINE, kind)
    told = refusals.take_over(NINE, all_of_them=True)

    trail.database.write(lambda connection: append_repeated(connection, NINE, told))

    assert [row["outcome"] for row in trail.rows("SELECT outcome FROM audit ORDER BY id")] == [
        "refused",
        "crashed",
    ]


def test_the_row_says_how_many_and_when(refusals: Throttle, trail: Trail) -> None:
    for _ in range(12):
        refusals.admit(NINE, STRANGER)
    told = refusals.take_over(NINE, all_of_them=True)

    trail.database.write(lambda connection: append_repeated(connection, NINE, told))

    [row] = trail.rows("SELECT * FROM audit")
    assert (row["action"], row["outcome"]) == ("attendance.recorded", "refused")
    assert (row["source_ip"], row["reason"]) == ("192.0.2.7", "2 more like those before")
    assert json.loads(row["after_json"])["repeated"] == 2
