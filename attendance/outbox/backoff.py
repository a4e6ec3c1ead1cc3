"""Compute how long to wait before a message is tried again: pure arithmetic, jitter last."""

from datetime import timedelta

BASE_SECONDS = 1.0
CAP_SECONDS = 60.0
LONGEST = timedelta(seconds=CAP_SECONDS)


def delay(attempts: int, jitter: float) -> timedelta:
    """Return the wait after the `attempts`-th attempt (from 1); `jitter` is uniform in [0, 1).

    The upper bound doubles: 1 s, 2, 4, 8, 16, 32, then 60. Full jitter spreads messages that failed
    together over the whole of it. The cap is low: a message that is a minute late is a nuisance,
    and a request a minute to a server that is down is not.
    """
    exponent = min(max(attempts, 1) - 1, 16)
    bound = min(CAP_SECONDS, BASE_SECONDS * 2**exponent)
    return timedelta(seconds=bound * jitter)
