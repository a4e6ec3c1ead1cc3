"""An outbox in memory with everything that may happen to it, and what must hold all the time."""

import sqlite3
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import datetime, timedelta
from functools import cache
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

from bench import Bench
from sqlalchemy import Connection, StaticPool, create_engine, select

from attendance.db import schema
from attendance.outbox import admin, circuit_breaker, parking
from attendance.outbox.models import Attempt, Chat, Message
from attendance.outbox.rate_limits import Rate, RateLimits
from attendance.outbox.transport import (
    Delivered,
    Migrated,
    Outcome,
    Parked,
    Postponed,
    Rejected,
    Uncertain,
)
from attendance.outbox.types import Claim, Policy

T = TypeVar("T")
PACE = RateLimits(overall=Rate(4, 1), private=Rate(1, 1), group=Rate(3, 20))
LEADS = {"prompt": 0.0, "usual": 0.05, "slow": 0.6}


def merge(lines: Sequence[str]) -> tuple[int, str]:
    """Four lines a message."""
    return len(lines[:4]), "\n".join(lines[:4])


@cache
def migrated() -> sqlite3.Connection:
    """An empty database as migrations make it, with its triggers."""
    kept = sqlite3.connect(":memory:")
    with TemporaryDirectory() as folder:
        schema.upgrade(f"sqlite:///{folder}/empty.db")
        with closing(sqlite3.connect(f"{folder}/empty.db")) as made:
            made.backup(kept)
    return kept


class InMemory:
    """The database's two functions, on a SQLite that nobody else sees."""

    def __init__(self) -> None:
        self._engine = create_engine("sqlite://", poolclass=StaticPool)
        with self._engine.connect() as connection:
            raw: Any = connection.connection.dbapi_connection
            migrated().backup(raw)

    def write(self, work: Callable[[Connection], T]) -> T:
        with self._engine.begin() as connection:
            return work(connection)

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        with self._engine.connect() as connection:
            yield connection


class Model(Bench):
    """A bench that remembers what was promised."""

    def __init__(self, uncertain: Any) -> None:
        super().__init__(
            InMemory(),  # type: ignore[arg-type]
            Policy(
                lease=timedelta(seconds=60),
                give_up_after=timedelta(hours=1),
                uncertain=uncertain,
                rate_limits=PACE,
                merge=merge,
            ),
        )
        self.written: set[int] = set()
        self.under_way: list[Claim] = []
        self.starts: dict[str, tuple[str, datetime]] = {}
        self.tries: Counter[int] = Counter()
        self.alone: set[int] = set()
        self.digests: list[frozenset[int]] = []
        self.receipts: dict[int, int] = {}
        self.held: dict[str, datetime] = {}
        self.by_hand: set[str] = set()
        self.to_repeat: dict[frozenset[int], Claim] = {}

    # --- what happens ---

    def take(self, by: str, limit: int) -> list[Claim]:
        before = len(self.told)
        claims = self.claim(limit, by, LEADS[by])
        for told in self.told[before:]:
            if told.outcome == "uncertain":
                self._doubt_the_claim_of(told.message_id)
        for claim in claims:
            self._check_claim(claim)
            self.tries.update(one.id for one in claim.messages)
            self.starts[claim.token] = (claim.lane, claim.debit.starts_at)
        self.under_way += claims
        if not claims and len(self.told) == before and limit > 50:
            self._check_that_it_may_rest()
        return claims

    def end(self, claim: Claim, outcome: Outcome) -> None:
        self.under_way.remove(claim)
        self.clock.now = max(self.clock.now, claim.debit.starts_at)
        settled = self.settle_all(claim, outcome)
        assert [one.message_id for one in settled] == [one.id for one in claim.messages]
        assert len({one.outcome for one in settled}) == 1
        if settled[0].outcome != "late":
            self._note(claim, outcome)

    def give_back(self, claim: Claim) -> None:
        self.under_way.remove(claim)
        if self.release(claim):
            self.tries.subtract(one.id for one in claim.messages)
        del self.starts[claim.token]

    def by_person(self, act: Callable[[Connection, datetime], Any]) -> Any:
        now = self.clock()
        return self.database.write(lambda connection: act(connection, now))

    def pause(self, chat: str) -> None:
        if self.by_person(lambda c, now: admin.pause(c, now, chat, "by hand")):
            self.by_hand.add(self.lives(chat))

    def resume(self, chat: str) -> None:
        if self.by_person(lambda c, now: admin.resume(c, now, chat)):
            self.by_hand.discard(self.lives(chat))
            self.held.pop(self.lives(chat), None)

    def probe_chat(self, *, accepted: bool) -> None:
        chat = self.by_person(parking.take_probe)
        assert chat not in self.by_hand
        if chat is not None and accepted:
            self.resume(chat)

    def probe_bot(self) -> None:
        reason = self.by_person(circuit_breaker.take_probe)
        if reason is not None:
            self.by_person(lambda c, now: circuit_breaker.close(c, now, reason))

    # --- what it leads to ---

    def _note(self, claim: Claim, outcome: Outcome) -> None:
        ids = frozenset(one.id for one in claim.messages)
        match outcome:
            case Delivered(receipt):
                self.receipts |= dict.fromkeys(ids, receipt)
                self.to_repeat.pop(ids, None)
            case Rejected():
                self.to_repeat.pop(ids, None)
                self.alone |= ids
            case Postponed(seconds):
                self.held[claim.lane] = self.clock() + timedelta(seconds=seconds)
            case Uncertain() if claim.is_digest:
                self.to_repeat[ids] = claim
            case Migrated(chat) if claim.lane in self.by_hand:
                self.by_hand.add(self.lives(chat))
            case Parked():
                assert self.chats()[claim.lane]["parked_at"] is not None
            case _:
                pass

    def _doubt_the_claim_of(self, message: int) -> None:
        for claim in self.under_way:
            ids = frozenset(one.id for one in claim.messages)
            if message in ids and claim.is_digest and self.clock() >= _lease_end(self, claim):
                self.to_repeat[ids] = claim

    # --- what must hold ---

    def _check_claim(self, claim: Claim) -> None:
        now, rows = self.clock(), self.rows()
        assert self.stopped() is None
        chat = self.chats()[claim.lane]
        assert chat["parked_at"] is None
        assert claim.lane not in self.by_hand
        assert claim.debit.starts_at >= now >= self.held.get(claim.lane, now)
        for other in self.under_way:
            assert other.lane != claim.lane or now >= _lease_end(self, other)
        self._check_repetition(claim, rows)
        if claim.is_digest:
            self._check_digest(claim, rows)
        if not self._is_left_of_a_digest(claim):
            last = max(one.id for one in claim.messages)
            waiting = [r["id"] for r in rows.values() if _waits_in(claim.lane, r)]
            assert min([*waiting, last + 1]) > last, (
                f"{claim} passed over an older one of {waiting}"
            )

    def _is_left_of_a_digest(self, claim: Claim) -> bool:
        """A digest that is repeated goes first, or what people left of it."""
        ids = frozenset(one.id for one in claim.messages)
        return claim.outgoing.repeats and any(ids <= earlier for earlier in self.digests)

    def _check_repetition(self, claim: Claim, rows: dict[int, dict[str, Any]]) -> None:
        ids = frozenset(one.id for one in claim.messages)
        first = self.to_repeat.get(ids)
        if first is not None:
            assert (claim.outgoing.text, claim.id) == (first.outgoing.text, first.id)
            assert claim.outgoing.repeats
        for other in self.to_repeat:
            waits = all(_waits_in(claim.lane, rows[message]) for message in other)
            assert not waits or first is not None, "a digest was to be repeated first"

    def _check_digest(self, claim: Claim, rows: dict[int, dict[str, Any]]) -> None:
        ids = frozenset(one.id for one in claim.messages)
        assert len({(rows[message]["thread_id"], rows[message]["silent"]) for message in ids}) == 1
        assert not ids & self.alone
        assert claim.outgoing.text == "\n".join(rows[message]["line"] for message in sorted(ids))
        if claim.outgoing.repeats:
            assert any(ids <= earlier for earlier in self.digests)
        self.digests.append(ids)

    def _check_that_it_may_rest(self) -> None:
        due = self.next_due()
        assert due is None or due > self.clock() or self.stopped(), "the dispatcher would spin"

    def check(self) -> None:
        """What holds after every step."""
        rows, chats = self.rows(), self.chats()
        assert set(rows) == self.written
        self._forget_what_is_no_longer_to_be_repeated(rows)
        for message, row in rows.items():
            assert row["telegram_message_id"] == self.receipts.get(message)
            assert (row["status"] == "sent") == (message in self.receipts)
            moved = row["lane"] is not None and chats[row["lane"]]["migrated_to"]
            assert row["status"] != "pending" or not moved
        for chat in chats.values():
            assert chat["ready_at"] == _ready_at(chat, rows)
        assert self._attempts() == Counter(
            told.message_id for told in self.told if told.outcome != "given_up"
        )
        sending = Counter(row["id"] for row in rows.values() if row["status"] == "sending")
        assert self._attempts(late=False) == self.tries - sending
        self._check_windows()

    def _forget_what_is_no_longer_to_be_repeated(self, rows: dict[int, dict[str, Any]]) -> None:
        """Of some a message was cancelled, given up or, where it was held, retried alone."""
        kept = ("pending", "sending")
        for ids in list(self.to_repeat):
            if any(rows[message]["status"] not in kept for message in ids):
                del self.to_repeat[ids]

    def _check_windows(self) -> None:
        of: defaultdict[str, list[datetime]] = defaultdict(list)
        for lane, start in self.starts.values():
            of[""].append(start)
            of[lane].append(start)
        for lane, starts in of.items():
            rate = PACE.of_chat(lane) if lane else PACE.overall
            assert rate is not None
            starts.sort()
            for first, too_many in zip(starts, starts[rate.count :], strict=False):
                assert too_many - first >= timedelta(seconds=rate.seconds), (lane, first)

    # --- what is there ---

    def rows(self) -> dict[int, dict[str, Any]]:
        with self.database.snapshot() as connection:
            rows = connection.execute(select(Message.__table__)).mappings()
            return {row["id"]: {**row} for row in rows}

    def chats(self) -> dict[str, dict[str, Any]]:
        with self.database.snapshot() as connection:
            rows = connection.execute(select(Chat.__table__)).mappings()
            return {row["chat_id"]: {**row} for row in rows}

    def lives(self, chat: str) -> str:
        return str(self.chats()[chat]["migrated_to"] or chat)

    def _attempts(self, *, late: bool = True) -> Counter[int]:
        query = select(Attempt.outbox_id)
        query = query if late else query.where(Attempt.outcome != "late")
        with self.database.snapshot() as connection:
            return Counter(connection.scalars(query))


def _lease_end(model: Model, claim: Claim) -> datetime:
    return claim.debit.starts_at + model.policy.lease


def _waits_in(lane: str, row: dict[str, Any]) -> bool:
    return bool(row["lane"] == lane and row["status"] == "pending")


def _ready_at(chat: dict[str, Any], rows: dict[int, dict[str, Any]]) -> datetime | None:
    """What the database keeps by its triggers, worked out anew."""
    own = [row for row in rows.values() if row["lane"] == chat["chat_id"]]
    under_way = [row for row in own if row["status"] == "sending" and _leads(row)]
    waiting = [row for row in own if row["status"] in {"pending", "sending"}]
    head = next(iter([*under_way, *sorted(waiting, key=lambda row: row["id"])]), None)
    times = [head["due_at"], chat["hold_until"], chat["next_at"]] if head else []
    return max((time for time in times if time is not None), default=None)


def _leads(row: dict[str, Any]) -> bool:
    return row["digest_id"] in {None, row["id"]}
