"""The arithmetic of the pace: a table, and a search for windows with too many starts."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attendance.outbox.rate_limits import (
    LATEST,
    MARGIN,
    Plan,
    Rate,
    RateLimits,
    clear_of,
    free_starts,
    next_start,
    plan,
    window,
)

NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)
GROUP = Rate(20, 60)
PRIVATE = Rate(1, 1)


def ago(*seconds: float) -> list[datetime]:
    return [NOW - timedelta(seconds=value) for value in seconds]


def later(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("starts", "rate", "expected"),
    [
        ([], PRIVATE, NOW),  # nothing was sent yet
        (ago(0.4), PRIVATE, later(0.6) + MARGIN),  # the window of one second, and the slack
        (ago(2), PRIVATE, NOW),  # long over
        (ago(1), Rate(2, 1), NOW),  # one of two
        (ago(0.1, 0.3), Rate(2, 1), later(0.7) + MARGIN),  # the older of the two decides
        (ago(0.1), None, NOW),  # no limit
    ],
)
def test_a_request_starts_when_the_oldest_of_its_window_has_left_it(
    starts: list[datetime], rate: Rate | None, expected: datetime
) -> None:
    assert next_start(starts, rate, NOW) == expected


@pytest.mark.parametrize(
    ("waiting", "starts", "rate", "expected"),
    [
        (1, [], PRIVATE, Plan(NOW, merge=False)),  # alone, at once
        (5, [], PRIVATE, Plan(NOW, merge=True)),  # the rate would hold four of them back
        (1, ago(0.4), PRIVATE, Plan(later(0.6) + MARGIN, merge=True)),
        (10, [], GROUP, Plan(NOW, merge=False)),  # half of the rate may be spent freely
        (11, [], GROUP, Plan(NOW, merge=True)),
        (1, ago(*range(9)), GROUP, Plan(NOW, merge=False)),  # the tenth
        (1, ago(*range(10)), GROUP, Plan(later(3), merge=True)),  # then one in three seconds
        (1, ago(*range(5, 15)), GROUP, Plan(NOW, merge=True)),  # the last was long enough ago
        (100, ago(*range(10)), GROUP, Plan(NOW, merge=True)),  # a full request need not wait
        (100, ago(*range(20)), GROUP, Plan(later(41) + MARGIN, merge=True)),  # but for the window
        (500, ago(0), None, Plan(NOW, merge=False)),  # no limit: no need to merge
    ],
)
def test_starts_are_spent_freely_at_first_and_then_spread(
    waiting: int, starts: list[datetime], rate: Rate | None, expected: Plan
) -> None:
    assert plan(waiting, 100, starts, rate, NOW) == expected


@pytest.mark.slow
@given(
    st.integers(1, 5),
    st.floats(0.5, 10),
    st.lists(st.floats(0, 3), min_size=1, max_size=60),
    st.data(),
)
@settings(max_examples=200, deadline=None)
def test_no_window_ever_has_more_starts_than_the_rate_allows(
    count: int, seconds: float, pauses: list[float], data: st.DataObject
) -> None:
    rate, now = Rate(count, seconds), NOW
    planned: list[datetime] = []
    actual: list[datetime] = []
    for pause in pauses:
        now = next_start(planned[::-1], rate, now + timedelta(seconds=pause))
        planned.append(now)
        lateness = data.draw(st.floats(0, LATEST.total_seconds()))
        actual.append(now + timedelta(seconds=lateness))
    for first, one_too_many in zip(actual, actual[count:], strict=False):
        assert one_too_many - first >= timedelta(seconds=seconds) - timedelta(microseconds=2)


@pytest.mark.slow
@given(st.lists(st.floats(-2, 2), max_size=29), st.floats(0, 0.2))
def test_a_start_keeps_clear_of_all_others_and_is_hardly_later(
    others: list[float], ahead: float
) -> None:
    starts, at = [NOW + timedelta(seconds=other) for other in others], later(ahead)
    clearance = timedelta(seconds=1 / 30 / 4)
    planned = clear_of(starts, Rate(30, 1), at)
    assert all(abs(planned - start) >= clearance for start in starts)
    assert at <= planned <= at + 2 * len(starts) * clearance
    assert clear_of(starts, None, at) == at


def test_the_kind_of_a_chat_is_in_its_id() -> None:
    pace = RateLimits(None, PRIVATE, GROUP)
    assert [pace.of_chat(chat) for chat in ("42", "-42", "-1001", "@news")] == [
        PRIVATE, GROUP, GROUP, GROUP,
    ]  # fmt: skip
    assert pace.longest_window == window(GROUP)
    assert free_starts(ago(0, 59, 61), GROUP, NOW) == 18
