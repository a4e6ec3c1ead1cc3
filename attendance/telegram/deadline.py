"""A deadline, and how much of it is left to the code that runs under it.

It is a context variable, since the sockets that must obey it lie four layers of libraries below the
code that sets it. May import nothing of ours.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar


class Deadline:
    """The moment `seconds` from now, by a clock that nobody sets."""

    def __init__(self, seconds: float, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._ends_at = monotonic() + seconds

    def left(self) -> float:
        """Return the seconds that are left: negative once it has passed."""
        return self._ends_at - self._monotonic()


_current: ContextVar[Deadline] = ContextVar("deadline")


@contextmanager
def until(deadline: Deadline) -> Iterator[None]:
    """Within this block, have `seconds_left` count down to `deadline`."""
    token = _current.set(deadline)
    try:
        yield
    finally:
        _current.reset(token)


def seconds_left() -> float:
    """Return the seconds, above 0, until the deadline of the block that `until` began.

    Raises TimeoutError once it has passed, LookupError outside such a block.
    """
    seconds = _current.get().left()
    if seconds <= 0:
        raise TimeoutError
    return seconds
