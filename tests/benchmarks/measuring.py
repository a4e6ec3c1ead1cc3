"""Measuring on a machine that others use, too: pairs side by side, and ratios within each pair.

What a pair shares (the load of the moment, the disk, the clock's speed) falls out of its ratio.
"""

import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeVar

T = TypeVar("T")
U = TypeVar("U")


class NotReal(Exception):
    """What was measured is not what was meant to be: requests failed, or rows are missing."""


@dataclass(frozen=True, slots=True)
class Form:
    """How long a run is. `slot_seconds` is one of the two halves of a pair, `small` divides what
    is counted instead of timed."""

    pairs: int
    slot_seconds: float
    small: int = 1


FULL = Form(pairs=6, slot_seconds=4.0)
QUICK = Form(pairs=1, slot_seconds=0.5, small=50)


@dataclass(frozen=True, slots=True)
class Target:
    """What the figure is to reach."""

    at: Literal["least", "most"]
    value: float

    def is_met(self, figure: float) -> bool:
        return figure >= self.value if self.at == "least" else figure <= self.value

    def __str__(self) -> str:
        return f"{'≥' if self.at == 'least' else '≤'} {self.value:g}"


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table: the median, the lowest and the highest of its samples, in `unit`."""

    what: str
    unit: str
    median: float
    lowest: float
    highest: float
    target: Target | None = None

    @property
    def verdict(self) -> str:
        if self.target is None:
            return ""
        return "met" if self.target.is_met(self.median) else "MISSED"

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "target": self.target and str(self.target), "met": self.verdict}


def figure(what: str, unit: str, samples: Sequence[float], target: Target | None = None) -> Figure:
    return Figure(what, unit, statistics.median(samples), min(samples), max(samples), target)


def ratios(
    what: str, ours: Sequence[float], theirs: Sequence[float], target: Target | None = None
) -> Figure:
    """The median of the ratios of pairs."""
    pairs = zip(ours, theirs, strict=True)
    return figure(what, "ratio", [one / other for one, other in pairs], target)


def interleaved(
    pairs: int, ours: Callable[[], T], theirs: Callable[[], U]
) -> tuple[list[T], list[U]]:
    """Both measured `pairs` times, as A B, B A, A B …, so that neither is always the second."""
    mine: list[T] = []
    others: list[U] = []
    for ours_first in _turns(pairs):
        if ours_first:
            mine.append(ours())
            others.append(theirs())
        else:
            others.append(theirs())
            mine.append(ours())
    return mine, others


def _turns(pairs: int) -> Iterator[bool]:
    return (pair % 2 == 0 for pair in range(pairs))
