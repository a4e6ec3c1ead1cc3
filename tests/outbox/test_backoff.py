"""How long to wait before a message is tried again."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attendance.outbox.backoff import delay

NEARLY_ONE = 1 - 1e-9

# After which attempt, and the upper bound of the wait in seconds.
BOUNDS = [
    (1, 1),  # a hiccup is over in a second
    (2, 2),
    (3, 4),
    (4, 8),
    (5, 16),
    (6, 32),
    (7, 60),  # where doubling would say 64
    (8, 60),
    (100, 60),
    (10**9, 60),  # a message that is tried for years overflows nothing
    (0, 1),  # never asked for; and yet no surprise
]


@pytest.mark.parametrize(("attempts", "bound"), BOUNDS)
def test_the_bounds(attempts: int, bound: int) -> None:
    assert delay(attempts, 0) == timedelta()
    assert delay(attempts, 0.5) == timedelta(seconds=bound / 2)
    assert delay(attempts, NEARLY_ONE) == pytest.approx(
        timedelta(seconds=bound), abs=timedelta(microseconds=1)
    )


@pytest.mark.slow
@given(st.integers(0, 200), st.floats(0, 1, exclude_max=True))
def test_a_wait_is_never_negative_nor_longer_than_a_minute(attempts: int, jitter: float) -> None:
    assert timedelta() <= delay(attempts, jitter) <= timedelta(seconds=60)
