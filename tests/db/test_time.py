"""Times in the database: one width, one order, one zone."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.exc import StatementError

from attendance.db import Database, format_utc, parse_utc, utc_now
from attendance.outbox import lanes
from attendance.outbox.models import Chat

ZONES = st.integers(-14 * 60, 14 * 60).map(lambda m: timezone(timedelta(minutes=m)))
TIMES = st.datetimes(datetime(2, 1, 1), datetime(9998, 12, 31), timezones=ZONES)  # noqa: DTZ001 - the bounds of a strategy are naive


@pytest.mark.slow
@given(TIMES)
def test_a_time_comes_back_as_it_went_in(time: datetime) -> None:
    assert parse_utc(format_utc(time)) == time
    assert parse_utc(format_utc(time)).tzinfo == UTC


@pytest.mark.slow
@given(TIMES)
def test_every_time_has_the_same_width(time: datetime) -> None:
    assert len(format_utc(time)) == 27


@pytest.mark.slow
@given(TIMES, TIMES)
def test_text_sorts_as_time_does(one: datetime, other: datetime) -> None:
    """TRAP 8."""
    assert (format_utc(one) < format_utc(other)) == (one < other)


@pytest.mark.parametrize(
    ("time", "text"),
    [
        (datetime(2026, 11, 23, 9, tzinfo=UTC), "2026-11-23T09:00:00.000000Z"),
        (datetime(2026, 11, 23, 9, 0, 0, 1, tzinfo=UTC), "2026-11-23T09:00:00.000001Z"),
        (
            datetime(2026, 11, 23, 1, 30, tzinfo=timezone(timedelta(hours=2))),
            "2026-11-22T23:30:00.000000Z",
        ),
        (datetime(999, 1, 2, tzinfo=UTC), "0999-01-02T00:00:00.000000Z"),
        (datetime(1, 1, 1, tzinfo=UTC), "0001-01-01T00:00:00.000000Z"),
    ],
)
def test_the_format(time: datetime, text: str) -> None:
    assert format_utc(time) == text


def test_a_time_without_a_zone_is_refused() -> None:
    naive = datetime(2026, 11, 23)  # noqa: DTZ001 - the point of it
    with pytest.raises(ValueError, match="without a zone"):
        format_utc(naive)


def test_a_time_without_a_zone_reaches_no_table(database: Database) -> None:
    naive = datetime(2026, 11, 23)  # noqa: DTZ001 - the point of it
    with pytest.raises(StatementError, match="without a zone"):
        database.write(lambda connection: lanes.open_lane(connection, naive, "1"))


def test_the_database_gives_times_back_in_utc(database: Database) -> None:
    now = utc_now()
    database.write(lambda connection: lanes.open_lane(connection, now, "1"))
    with database.snapshot() as connection:
        stored = connection.scalar(select(Chat.created_at))
    assert stored == now
    assert stored is not None
    assert stored.tzinfo == UTC
