"""The server's time, so that hosts whose own clocks differ plan by the same one.

Between two samples it goes by this machine's count of seconds since the boot, which nobody sets. A
sample shows the server's time at some moment between question and answer, and so is off by half the
round trip at most; each second since then adds what two good crystals may differ by.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

SAMPLE_EVERY_SECONDS = 5.0
DRIFT = 0.0005
"""Seconds per second: the fastest that a clock is slewed, ten times what crystals differ by."""

_TRIES = 3
_COUNT = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def seconds() -> float:
    """Return the seconds since the boot, including those in which the machine slept."""
    return time.clock_gettime(_COUNT)


@dataclass(frozen=True, slots=True)
class ClockSample:
    """The server showed `time` when this machine had counted `at` seconds, give or take `off`."""

    time: datetime
    at: float
    off: float

    @classmethod
    def of(cls, time: datetime, asked: float, answered: float) -> "ClockSample":
        return cls(time, (asked + answered) / 2, (answered - asked) / 2)

    def time_at(self, now: float) -> datetime:
        return self.time + timedelta(seconds=now - self.at)

    def off_at(self, now: float) -> float:
        """Return how far `time_at` may be off by then, in seconds."""
        return self.off + abs(now - self.at) * DRIFT


class ServerClock:
    """Call it for the time. `sample` asks the server, and may raise: such an error is passed on
    until there is a first sample; later ones leave the last sample in force."""

    def __init__(self, sample: Callable[[], ClockSample]) -> None:
        self._sample = sample
        self._best: ClockSample | None = None
        self._sampled_at = float("-inf")
        self._sampling = threading.Lock()

    def __call__(self) -> datetime:
        now = seconds()
        if self._best is None:
            self.observe(self._sample())
        # One thread asks the server; the others go on with the last sample.
        elif now - self._sampled_at > SAMPLE_EVERY_SECONDS and self._sampling.acquire(
            blocking=False
        ):
            try:
                self._resample(now)
            finally:
                self._sampling.release()
        best = self._best
        assert best is not None  # noqa: S101 - observed above
        return best.time_at(seconds())

    @property
    def off_seconds(self) -> float:
        """How far the clock may be off, in seconds."""
        return float("inf") if self._best is None else self._best.off_at(seconds())

    def observe(self, seen: ClockSample) -> None:
        """Go by this sample, unless the last is still better. If the two contradict each other, the
        server's clock was set, or it is another server: the new one counts."""
        best = self._best
        if best is not None:
            known = best.off_at(seen.at)
            apart = abs((best.time_at(seen.at) - seen.time).total_seconds())
            if apart <= known + seen.off and known < seen.off:
                return
        self._best = seen

    def _resample(self, now: float) -> None:
        self._sampled_at = now  # before asking: after a failure, too, the next one comes later
        try:
            self.observe(min((self._sample() for _ in range(_TRIES)), key=lambda seen: seen.off))
        except Exception:  # noqa: BLE001 - whatever it was: the last sample still holds
            return
