"""Tests may run in several processes at once, but not each beside each.

Most are of the crowd. What is marked `calm` keeps a pace, which a busy machine would spoil: it runs
beside its like, and beside none of the crowd. What is marked `alone` runs beside nobody.

Each kind has a room, of which it holds a shared lock; before it goes there it sees that the other
rooms are empty. Whoever comes holds the door meanwhile, so that those who wait for a room to empty
are not kept waiting for as long as others come and go. All are locks on what lies here anyway.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

Kind = Literal["crowd", "calm", "alone"]

_DOOR = Path(__file__)
_ROOMS: dict[Kind, Path] = {
    "crowd": _DOOR.parent,
    "calm": _DOOR.with_name("conftest.py"),
    "alone": _DOOR.with_name("choosing.py"),
}


@contextmanager
def turn(kind: Kind) -> Iterator[None]:
    """Wait for it, among all processes that test this checkout."""
    how = fcntl.LOCK_EX if kind == "alone" else fcntl.LOCK_SH
    with _locked(_DOOR, fcntl.LOCK_EX) as door, _locked(_ROOMS[kind], how):
        for other in _ROOMS.keys() - {kind}:
            with _locked(_ROOMS[other], fcntl.LOCK_EX):
                pass  # nobody is there, and nobody comes while we hold the door
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
