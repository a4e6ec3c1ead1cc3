"""A deadline that everything done under it asks what is left. Imports nothing of ours.

It is kept per thread of control, because the sockets that must obey it lie four layers of
libraries below the code that sets it.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar


class Deadline:
    """`seconds` from now on a clock that is never set."""

    def __init__(self, seconds: float, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._ends_at = monotonic() + seconds

    def left(self) -> float:
        """Seconds that are left, negative when it has passed."""
        return self._ends_at - self._monotonic()


_current: ContextVar[Deadline] = ContextVar("deadline")


@contextmanager
def until(deadline: Deadline) -> Iterator[None]:
    """Within it, `seconds_left` speaks of `deadline`."""
    token = _current.set(deadline)
    try:
        yield
    finally:
        _current.reset(token)


def seconds_left() -> float:
    """Seconds until the current deadline, more than 0; raises TimeoutError when it has passed."""
    seconds = _current.get().left()
    if seconds <= 0:
        raise TimeoutError
    return seconds
