"""An outbox on a bench: a manual clock, a transport that records, and short words for each act."""

import itertools
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, select

from attendance.db import Database, SqliteDatabase
from attendance.outbox import (
    admin,
    circuit_breaker,
    queries,
    queue,
    rate_limiter,
    settlement,
)
from attendance.outbox import claim as claims
from attendance.outbox.dependencies import Dependencies
from attendance.outbox.dispatcher import Dispatcher
from attendance.outbox.models import Message
from attendance.outbox.transport import Delivered, Outcome, Outgoing
from attendance.outbox.types import Claim, Policy, Settled

T = TypeVar("T")
NINE = datetime(2026, 11, 23, 9, tzinfo=UTC)
POLICY = Policy(lease=timedelta(seconds=60), give_up_after=timedelta(days=1))
HOLD = Policy(lease=POLICY.lease, give_up_after=POLICY.give_up_after, uncertain="hold")
PATIENCE_SECONDS = 30.0


class Clock:
    """Shows nine o'clock until it is put forward."""

    def __init__(self) -> None:
        self.now = NINE

    def __call__(self) -> datetime:
        return self.now

    def forward(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


class Bench:
    """A queue, its claims and settlements, at the time that `clock` shows."""

    def __init__(self, database: Database, policy: Policy = POLICY) -> None:
        self.database = database
        self.policy = policy
        self.clock = Clock()
        self.told: list[Settled] = []
        self._tokens = itertools.count(1)

    @property
    def sqlite(self) -> SqliteDatabase:
        """The database, in a test that is for SQLite alone."""
        assert isinstance(self.database, SqliteDatabase)
        return self.database

    def enqueue(self, chat_id: str | None = "1", text: str = "hello", **more: Any) -> int:
        now = self.clock()
        draft = queue.Draft(chat_id, text, "attendance", "7", "request", **more)
        return self.database.write(lambda c: queue.enqueue(c, now, draft))

    def claim(self, limit: int = 10, by: str = "here", lead: float = 0.0) -> list[Claim]:
        ahead = timedelta(seconds=lead)
        now, terms = self.clock(), claims.Terms(by, self.new_token, self.policy, self.tell, ahead)

        def work(connection: Connection) -> list[Claim]:
            rate_limiter.lock(connection, self.policy.rate_limits)
            return claims.claim(connection, now, limit, terms)

        return self.database.write(work)

    def claim_one(self) -> Claim:
        [claim] = self.claim()
        return claim

    def settle(self, claim: Claim, outcome: Outcome, jitter: float = 0.5) -> Settled:
        """What is told of the claim's first message."""
        return self.settle_all(claim, outcome, jitter)[0]

    def settle_all(self, claim: Claim, outcome: Outcome, jitter: float = 0.5) -> list[Settled]:
        now = self.clock()

        def work(connection: Connection) -> list[Settled]:
            return settlement.settle(
                connection,
                now,
                claim,
                outcome,
                policy=self.policy,
                jitter=jitter,
                on_outcome=self.tell,
            )

        return self.database.write(work)

    def release(self, claim: Claim) -> bool:
        now = self.clock()
        return self.database.write(lambda c: claims.release(c, now, claim))

    def park(self, chat_id: str = "1") -> None:
        now = self.clock()
        assert self.database.write(lambda c: admin.pause(c, now, chat_id, "by hand"))

    def next_due(self) -> datetime | None:
        with self.database.snapshot() as connection:
            return queue.next_due(connection, self.clock(), self.policy)

    def stopped(self) -> circuit_breaker.Stopped | None:
        with self.database.snapshot() as connection:
            return circuit_breaker.current(connection, self.clock())

    def tell(self, _connection: Connection, _now: datetime, settled: Settled) -> None:
        self.told.append(settled)

    def new_token(self) -> str:
        return f"token-{next(self._tokens)}"

    def waiting(self) -> int:
        """How many messages are not settled."""
        counts = self.counts()
        return counts["pending"] + counts["sending"]

    def counts(self) -> Mapping[str, int]:
        with self.database.snapshot() as connection:
            return queries.stats(connection, self.clock()).counts

    def row(self, message_id: int) -> dict[str, Any]:
        """All that the table holds of one message."""
        query = select(Message.__table__).where(Message.id == message_id)
        with self.database.snapshot() as connection:
            return {**connection.execute(query).mappings().one()}

    def status(self, message_id: int) -> str:
        return str(self.row(message_id)["status"])

    def attempts(self, message_id: int) -> list[dict[str, Any]]:
        with self.database.snapshot() as connection:
            message = queries.message(connection, message_id)
        assert message is not None
        return list(message["attempt_list"])

    def outcomes(self, message_id: int) -> list[str]:
        return [attempt["outcome"] for attempt in self.attempts(message_id)]

    def chat(self, chat_id: str = "1") -> dict[str, Any]:
        with self.database.snapshot() as connection:
            [found] = [chat for chat in queries.chats(connection) if chat["chat_id"] == chat_id]
        return found


class RecordingTransport:
    """Keeps what it was given and answers as it was told, or else that all went well.

    While `gate` is cleared, every request stays under way.
    """

    def __init__(self, *answers: Outcome | Exception) -> None:
        self.sent: list[Outgoing] = []
        self.limits: list[float] = []
        self.gate = threading.Event()
        self.gate.set()
        self.under_way = threading.Semaphore(0)
        self._answers = deque(answers)

    def send(self, message: Outgoing, total_seconds: float) -> Outcome:
        self.sent.append(message)
        self.limits.append(total_seconds)
        self.under_way.release()
        assert self.gate.wait(PATIENCE_SECONDS)
        answer = self._answers.popleft() if self._answers else Delivered(len(self.sent))
        if isinstance(answer, Exception):
            raise answer
        return answer

    @property
    def ids(self) -> list[int]:
        return [message.id for message in self.sent]

    def await_request(self) -> None:
        assert self.under_way.acquire(timeout=PATIENCE_SECONDS)


def workings(bench: Bench, transport: Any, **changes: Any) -> Dependencies:
    """What a dispatcher needs, with a poll so long that only a wake-up can be why it acts."""
    usual: dict[str, Any] = {
        "name": "here",
        "database": bench.database,
        "transport": transport,
        "policy": bench.policy,
        "total_seconds": 25.0,
        "poll_seconds": PATIENCE_SECONDS * 10,
        "senders": 16,
        "wake": threading.Event(),
        "clock": bench.clock,
        "random": lambda: 0.5,
        "new_token": bench.new_token,
        "on_outcome": bench.tell,
    }
    return Dependencies(**{**usual, **changes})


def meet(place: Path, count: int) -> None:
    """Wait until so many processes have come here, so that they begin together."""
    place.mkdir(exist_ok=True)
    (place / str(os.getpid())).touch()
    end = time.monotonic() + PATIENCE_SECONDS
    while len(list(place.iterdir())) < count:
        assert time.monotonic() < end
        time.sleep(0.002)


def in_processes(work: Callable[..., T], calls: Sequence[tuple[Any, ...]]) -> list[T]:
    """Each of `calls` in a fresh process, all at once; the answers in their order."""
    with ProcessPoolExecutor(len(calls), mp_context=get_context("spawn")) as pool:
        return [run.result() for run in [pool.submit(work, *arguments) for arguments in calls]]


def finish(dispatcher: Dispatcher) -> None:
    """Let what was started come to its end."""
    assert dispatcher._senders.wait_idle(PATIENCE_SECONDS)
