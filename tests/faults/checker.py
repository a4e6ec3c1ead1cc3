"""Judges a history in the manner of Jepsen's total-queue: what went in against what came out.

Pure: it reads nothing but what it is given.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from math import inf

from history import Arrival, Attempt, Queued, Stored

_FAULTS = (
    *("lost", "unexpected", "unexplained", "repeated", "unpaired", "contradicted", "disordered"),
    "damaged",
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """People by what became of them; the fields of `_FAULTS` have to be empty.

    `attempted` were sent at least once, `acknowledged` answered 2xx at least once, `recovered`
    recorded and shown though a request about them failed, `explained` shown more than once, each
    time beyond the first with an attempt noted as uncertain or late.

    `lost` were acknowledged, or are recorded, and are not both recorded and shown; `unexpected`
    are recorded or shown and were never sent; `unexplained` were shown more often than the
    attempts account for; `repeated` have more than one record; `unpaired` lack their one message,
    audit entry or kept answer, or were shown and have no record, and what is there of no record is
    named among them; `contradicted` were acknowledged with another record than theirs;
    `disordered` were shown first after somebody whose message is younger; `damaged` is what
    SQLite says of the file, and `audit verify` of the trail.
    """

    attempted: frozenset[str]
    acknowledged: frozenset[str]
    recovered: frozenset[str]
    explained: frozenset[str]
    lost: frozenset[str]
    unexpected: frozenset[str]
    unexplained: frozenset[str]
    repeated: frozenset[str]
    unpaired: frozenset[str]
    contradicted: frozenset[str]
    disordered: frozenset[str]
    damaged: frozenset[str]

    @property
    def faults(self) -> dict[str, frozenset[str]]:
        return {name: found for name in _FAULTS if (found := getattr(self, name))}

    @property
    def is_valid(self) -> bool:
        return not self.faults

    def __str__(self) -> str:
        counts = (f"{len(getattr(self, field.name))} {field.name}" for field in fields(self))
        shown = (f"{name}: {', '.join(sorted(who)[:5])}" for name, who in self.faults.items())
        return "; ".join([", ".join(counts), *shown])


def check(attempts: Sequence[Attempt], arrived: Sequence[Arrival], stored: Stored) -> Verdict:
    """The verdict on a history whose outbox was given the time to empty itself."""
    attempted = frozenset(attempt.person for attempt in attempts)
    acknowledged = frozenset(attempt.person for attempt in attempts if attempt.acknowledged)
    failed = frozenset(attempt.person for attempt in attempts if not attempt.acknowledged)
    recorded = frozenset(record.person for record in stored.records)
    shown = frozenset(arrival.person for arrival in arrived)
    twice = _surplus(arrived)
    unexplained = _unexplained(twice, stored)
    return Verdict(
        attempted=attempted,
        acknowledged=acknowledged,
        recovered=recorded & shown & failed,
        explained=frozenset(twice) - unexplained,
        lost=(acknowledged | recorded) - (recorded & shown),
        unexpected=(recorded | shown) - attempted,
        unexplained=unexplained,
        repeated=_more_than_once(record.person for record in stored.records),
        unpaired=_unpaired(stored) | ((shown & attempted) - recorded),
        contradicted=_contradicted(attempts, stored),
        disordered=_disordered(attempts, arrived, stored),
        damaged=frozenset() if stored.integrity == "ok" else frozenset({stored.integrity}),
    )


def _surplus(arrived: Iterable[Arrival]) -> dict[str, int]:
    """How often each was shown beyond once."""
    times = Counter(arrival.person for arrival in arrived)
    return {person: count - 1 for person, count in times.items() if count > 1}


def _unexplained(surplus: dict[str, int], stored: Stored) -> frozenset[str]:
    doubts: Counter[str] = Counter()
    for queued in stored.queued:
        doubts[queued.person] += queued.doubts
    return frozenset(person for person, times in surplus.items() if times > doubts[person])


def _more_than_once(people: Iterable[str]) -> frozenset[str]:
    return frozenset(person for person, times in Counter(people).items() if times > 1)


def _unpaired(stored: Stored) -> frozenset[str]:
    alone = (
        record.person
        for record in stored.records
        if (record.messages, record.entries, record.answers) != (1, 1, 1)
    )
    return frozenset((*alone, *stored.strays))


def _contradicted(attempts: Iterable[Attempt], stored: Stored) -> frozenset[str]:
    theirs = {(record.person, record.id) for record in stored.records}
    return frozenset(
        attempt.person
        for attempt in attempts
        if attempt.attendance_id is not None
        and (attempt.person, attempt.attendance_id) not in theirs
    )


def _disordered(
    attempts: Iterable[Attempt], arrived: Iterable[Arrival], stored: Stored
) -> frozenset[str]:
    """In each chat, messages are shown for the first time in the order of their rows. Where
    transactions overlap, a row may be there later than one with a greater id: it has to come first
    only where somebody had been told of it before the other was claimed."""
    queued = {row.person: row for row in stored.queued}
    told = _told_at(attempts)
    shown: defaultdict[str, list[tuple[int, float]]] = defaultdict(list)
    found: set[str] = set()
    for arrival in _first_of_each(arrived):
        row = queued.get(arrival.person)
        if row is None:
            continue
        there_at = -inf if row.claims is None else told.get(row.person, inf)
        if any(id_ > row.id and there_at < claimed for id_, claimed in shown[arrival.chat]):
            found.add(arrival.person)
        shown[arrival.chat].append((row.id, _claimed_at(row, arrival)))
    return frozenset(found)


def _first_of_each(arrived: Iterable[Arrival]) -> Iterable[Arrival]:
    """The first showing of each person, in order."""
    first: dict[str, Arrival] = {}
    for arrival in arrived:
        first.setdefault(arrival.person, arrival)
    return first.values()


def _told_at(attempts: Iterable[Attempt]) -> dict[str, float]:
    """When somebody was first told that a person is recorded."""
    told: dict[str, float] = {}
    for attempt in attempts:
        if attempt.acknowledged:
            told[attempt.person] = min(attempt.answered_at, told.get(attempt.person, inf))
    return told


def _claimed_at(row: Queued, arrival: Arrival) -> float:
    """When the claim began under which the message arrived."""
    if row.claims is None:
        return inf
    return max((claim for claim in row.claims if claim <= arrival.at), default=-inf)
