"""Tests may run in several processes at once. What is marked `alone` measures, and has the machine
to itself: it waits until no other test runs, and none begins beside it.

Whoever comes holds the door while he waits for the room, so that one who wants it to himself is not
kept waiting for as long as others come and go. Both are locks on what lies here anyway.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_DOOR = Path(__file__)
_ROOM = _DOOR.parent


@contextmanager
def turn(*, alone: bool) -> Iterator[None]:
    """Wait for it, among all processes that test this checkout."""
    how = fcntl.LOCK_EX if alone else fcntl.LOCK_SH
    with _locked(_DOOR, fcntl.LOCK_EX) as door, _locked(_ROOM, how):
        fcntl.flock(door, fcntl.LOCK_UN)
        yield


@contextmanager
def _locked(place: Path, how: int) -> Iterator[int]:
    descriptor = os.open(place, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, how)
        yield descriptor
    finally:
        fcntl.flock(descriptor, fcntl.LOCK_UN)  # also for children that have it still open
        os.close(descriptor)
