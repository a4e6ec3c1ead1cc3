"""Compute when the next request may start: pure arithmetic over the starts of the last ones.

`N/Ts` means that no window of T seconds has more than N request starts. The starts are kept in the
database, written with each claim, so that all who deliver share one pace; a message may therefore
wait for `next_start`, and merging waiting messages (`plan`) makes the most of each start.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

LATEST = timedelta(milliseconds=10)
"""How late after its planned start a request may begin; later, it is given back."""

MARGIN = timedelta(milliseconds=40)
"""By how much our windows are longer than Telegram's, so that a request that began late, or was
slow on its way, and one that was neither do not come too close: 4 % of a rate of one second."""

_CLEARANCE = 0.25
_LONGEST_CLEARANCE = timedelta(milliseconds=10)
"""The least distance of two starts: a part of what it would be if all were evenly spread. Many that
began at once would delay each other, by more than the margin bears."""

HORIZON = timedelta(milliseconds=200)
"""How far ahead of its start a request may be claimed, so that whoever claims may be a little late
and the start is not: else each wake-up would cost some of the rate."""


LONGEST_LEAD = timedelta(seconds=10)
"""How far ahead a start may be planned on a machine whose commits take long."""


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `count` starts in any window of `seconds`."""

    count: int
    seconds: float


@dataclass(frozen=True, slots=True)
class RateLimits:
    """The rates that the operator allows: over all chats, per private chat, per group or channel.
    None lifts one."""

    overall: Rate | None = None
    private: Rate | None = None
    group: Rate | None = None

    def of_chat(self, chat_id: str) -> Rate | None:
        """Return the rate of this chat: ids of groups and channels are negative, or names."""
        return self.group if chat_id.startswith(("-", "@")) else self.private

    @property
    def longest_window(self) -> timedelta:
        """Return the time after which a start no longer counts."""
        rates = (self.overall, self.private, self.group)
        return max((window(rate) for rate in rates if rate is not None), default=timedelta())


UNLIMITED = RateLimits()


class Lead:
    """By how much to plan a start ahead of its claim, learnt from how long the commit of a claim
    and the way to its sender took lately."""

    def __init__(self) -> None:
        self.time = timedelta()

    def observe(self, taken: timedelta) -> None:
        """Learn from how long one took: lead by half as much again as they take lately."""
        # Being early costs a short wait, being late gives the start back. The smaller weight upward
        # keeps one that was slow from slowing the others; the larger one downward forgets it soon.
        wanted = 1.5 * max(taken, timedelta())
        weight = 0.2 if wanted > self.time else 0.5
        self.time = min((1 - weight) * self.time + weight * wanted, LONGEST_LEAD)


def window(rate: Rate) -> timedelta:
    return timedelta(seconds=rate.seconds) + MARGIN


def next_start(starts: Sequence[datetime], rate: Rate | None, now: datetime) -> datetime:
    """Return the earliest time from `now` on at which one more request may start. `starts` are the
    last ones, the latest first, at least `rate.count` of them if there were as many."""
    if rate is None or len(starts) < rate.count:
        return now
    return max(now, starts[rate.count - 1] + window(rate))


def clear_of(starts: Sequence[datetime], rate: Rate | None, at: datetime) -> datetime:
    """Return `at`, or as little later as keeps the clearance from each of `starts`, which may be in
    any order."""
    if rate is None:
        return at
    clearance = min(timedelta(seconds=rate.seconds / rate.count * _CLEARANCE), _LONGEST_CLEARANCE)
    for start in sorted(starts):
        if abs(start - at) < clearance:
            at = start + clearance
    return at


def free_starts(starts: Sequence[datetime], rate: Rate, now: datetime) -> int:
    """Count the requests that may start at `now`, one after the other."""
    return rate.count - sum(now - start < window(rate) for start in starts[: rate.count])


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do with a lane: `merge` what waits, or send its head alone, from `at` on."""

    at: datetime
    merge: bool


def plan(
    waiting: int, capacity: int, starts: Sequence[datetime], rate: Rate | None, now: datetime
) -> Plan:
    """Plan how to spend a chat's starts on `waiting` messages, if one request holds `capacity`.

    While more than half of the rate is unspent, and suffices for all that waits, each message goes
    out alone and at once. From then on what waits is merged, and the rest of the rate is spread
    over its window, unless a request would be full: so a burst is told within seconds, and the
    last of it does not find the rate used up.
    """
    if rate is None:
        return Plan(now, merge=False)
    free = free_starts(starts, rate, now)
    if waiting <= free - rate.count // 2:
        return Plan(now, merge=False)
    possible = next_start(starts, rate, now)
    if waiting >= capacity or not starts:
        return Plan(possible, merge=True)
    spread = starts[0] + timedelta(seconds=rate.seconds / rate.count)
    return Plan(max(possible, spread), merge=True)
