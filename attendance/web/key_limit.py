"""How many requests one key may make in a window of time, counted by all workers of a service.

The counts lie in memory that gunicorn's master makes before it forks. Each worker writes cells of
its own, and adds up those of all: there is no lock that a killed worker could keep for ever, and
nothing that one of them counts is written over by another. The first to see more than the limit is
the one who made it more, so that no window has more requests than the limit.
"""

import math
import mmap
import struct
import threading
from dataclasses import dataclass
from datetime import datetime

from attendance.config import RateSetting
from attendance.web.problems import Problem

_ROWS = 4096
"""Keys are told apart by their id, and two whose ids are so far apart count as one."""

_SEATS = 8
"""Workers that count exactly. Of more of them at once, two may share a seat, and a request that
both count in the same microsecond may be counted once."""

_ROW = struct.Struct(f"{_SEATS}Q")
_LARGEST_COUNT = 2**32 - 1


class Counts:
    """Requests by key and worker, each with the number of its window. Shared with whatever is
    forked from here on."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, _ROWS * _ROW.size)
        self._cells = memoryview(self._memory).cast("Q")
        self._lock = threading.Lock()

    def add(self, key_id: int, seat: int, window: int) -> int:
        """Count one more in this window, and return how many there are."""
        row, none = key_id % _ROWS, (window & _LARGEST_COUNT) << 32
        mine, full = row * _SEATS + seat % _SEATS, none | _LARGEST_COUNT
        with self._lock:
            cell = self._cells[mine]
            self._cells[mine] = cell + 1 if none <= cell < full else none + 1
        used = 0
        for cell in _ROW.unpack_from(self._memory, row * _ROW.size):
            if none < cell <= full:
                used += cell - none
        return used


@dataclass(slots=True)
class Allowance:
    """What a key may still do, less than nothing where it did too much; and both fields of the
    IETF's draft-ietf-httpapi-ratelimit-headers."""

    policy: str
    left: int
    seconds: int

    @property
    def limit(self) -> str:
        return f'"key";r={max(0, self.left)};t={self.seconds}'


class KeyLimit:
    """The limit of each key, None for none. Until they are shared, the counts are this process's
    own."""

    def __init__(self, rate: RateSetting | None) -> None:
        self._rate, self._seat = rate, 0
        self._window = (0.0, 0.0, 0)
        self._counts = None if rate is None else Counts()
        self._policy = "" if rate is None else f'"key";q={rate.count};w={math.ceil(rate.seconds)}'

    def share(self, counts: Counts, seat: int) -> None:
        """Count with others; `seat` is this process's number among them."""
        self._counts, self._seat = counts, seat

    def spend(self, key_id: int, now: datetime) -> Allowance | None:
        """Count a request of this key; None where there is no limit."""
        if self._rate is None or self._counts is None:
            return None
        at = now.timestamp()
        begin, end, window = self._window
        if not begin <= at < end:
            begin, end, window = self._window = _window_around(at, self._rate.seconds)
        used = self._counts.add(key_id, self._seat, window)
        return Allowance(self._policy, self._rate.count - used, max(1, math.ceil(end - at)))


def _window_around(at: float, seconds: float) -> tuple[float, float, int]:
    """Return when the window begins and ends, and its number."""
    number = int(at // seconds)
    return number * seconds, (number + 1) * seconds, number


def too_many(allowance: Allowance) -> Problem:
    """Say that the key has spent what it may."""
    return Problem(
        429,
        "rate_limited",
        "This key has made more requests than the operator allows it: wait for Retry-After, then "
        "send the same again. Nothing was stored.",
        headers={"Retry-After": str(allowance.seconds)},
    )
