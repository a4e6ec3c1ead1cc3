"""What a soak saw, slice by slice, as a table to paste."""

import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from history import Attempt
from service import Service

_LOOK_EVERY_SECONDS = 5.0
_PAGE = os.sysconf("SC_PAGE_SIZE")
_HEADINGS = ("until s", "POST/s", "p50 ms", "p99 ms", "max ms", "not 2xx", "broken")
_MORE = ("RSS MiB", "open files", "guests", "log lines")


@dataclass(frozen=True, slots=True)
class Slice:
    """A part of the soak: its ends by the clock, and the most that was seen of each within it."""

    begin: float
    end: float
    resident: int
    files: int
    guests: int
    log_lines: int


class Samples:
    """Looks at the processes of a service while it is soaked."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self.slices: list[Slice] = []
        self.began = time.time()

    def take(self, seconds: float, each: float, guests: Callable[[], int]) -> None:
        """Look for so long, in slices of `each` seconds."""
        end, self.began = time.time() + seconds, time.time()
        while time.time() < end:
            self.slices.append(self._slice(min(each, end - time.time()), guests))

    def _slice(self, seconds: float, guests: Callable[[], int]) -> Slice:
        begin, before = time.time(), self._log_lines()
        resident, files, there = 0, 0, 0
        while (left := begin + seconds - time.time()) > 0:
            time.sleep(min(left, _LOOK_EVERY_SECONDS))
            pids = [self._service.process.pid, *self._service.worker_pids()]
            resident = max(resident, sum(map(_resident, pids)))
            files = max(files, *map(_open_files, pids))
            there = max(there, guests())
        return Slice(begin, time.time(), resident, files, there, self._log_lines() - before)

    def _log_lines(self) -> int:
        return self._service.log.read_bytes().count(b"\n")


def _resident(pid: int) -> int:
    """The bytes in memory of a process, 0 if it has gone."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE
    except OSError:
        return 0


def _open_files(pid: int) -> int:
    try:
        return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())
    except OSError:
        return 0


def as_lines(
    samples: Samples, attempts: Sequence[Attempt], service: Service, cut_off: int, seed: int
) -> Iterator[str]:
    """Yield the table, in Markdown, and what is counted over the whole time."""
    yield _row((*_HEADINGS, *_MORE))
    yield _row(["---"] * len((*_HEADINGS, *_MORE)))
    for part in samples.slices:
        within = [one for one in attempts if part.begin <= one.ended_at < part.end]
        yield _row(_cells(samples.began, part, within))
    yield ""
    failures = (_kind(one.failure) for one in attempts if not one.acknowledged)
    yield f"Not 2xx: {_counted(failures)}."
    levels = Counter(str(line.get("level")) for line in service.log_lines())
    yield f"Log: {_counted(levels.elements())}; {_tracebacks(service)} tracebacks."
    yield f"{cut_off:,} guests were cut off and came again. Seed {seed}."


def _cells(began: float, part: Slice, within: Sequence[Attempt]) -> list[str]:
    took = sorted(1000 * one.took_seconds for one in within if one.acknowledged)
    return [
        f"{part.end - began:.0f}",
        f"{len(took) / (part.end - part.begin):.1f}",
        *(f"{took[int(share * (len(took) - 1))]:.0f}" if took else "-" for share in (0.5, 0.99, 1)),
        str(sum(one.status is not None and not one.acknowledged for one in within)),
        str(sum(one.status is None for one in within)),
        f"{part.resident / 2**20:.0f}",
        str(part.files),
        str(part.guests),
        str(part.log_lines),
    ]


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _kind(failure: str) -> str:
    """What failed, without what tells one failure from another."""
    return failure.partition("(")[0]


def _counted(kinds: Iterator[str]) -> str:
    found = Counter(kinds).most_common()
    return ", ".join(f"{kind} {count:,}" for kind, count in found) or "none"


def _tracebacks(service: Service) -> int:
    return sum("exception" in line for line in service.log_lines())
