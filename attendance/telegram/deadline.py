"""A deadline, which all code that runs under it can ask how much time is left.

It is a context variable, since the sockets that must obey it lie four layers of libraries below the
code that sets it. Imports nothing of ours.
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
        """Return the seconds that are left, negative once it has passed."""
        return self._ends_at - self._monotonic()


_current: ContextVar[Deadline] = ContextVar("deadline")


@contextmanager
def until(deadline: Deadline) -> Iterator[None]:
    """Make `deadline` the one that `seconds_left` is about, within this block."""
    token = _current.set(deadline)
    try:
        yield
    finally:
        _current.reset(token)


def seconds_left() -> float:
    """Return the seconds until the current deadline, above 0. Raises TimeoutError once it has
    passed."""
    seconds = _current.get().left()
    if seconds <= 0:
        raise TimeoutError
    return seconds
