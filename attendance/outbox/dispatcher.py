"""Claim, send, settle: the thread that empties the outbox.

`run` only loops and waits; `run_once` is the work. Correctness rests on claims and leases alone:
this process may be killed between any two lines.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from sqlalchemy import Connection

from attendance.db import Database, DatabaseError
from attendance.outbox import claiming, queue
from attendance.outbox.claim import Claim, Policy, Settled
from attendance.outbox.pacing import LATEST, Lead
from attendance.outbox.senders import Senders
from attendance.outbox.settlement import OnOutcome, settle
from attendance.outbox.transport import Outcome, Transport, Uncertain

_SETTLE_AGAIN_SECONDS = 1.0
_AFTER_ERROR_SECONDS = 1.0
_LOOK_AGAIN_SECONDS = 0.05
_REST_SECONDS = 0.02
logger = logging.getLogger(__name__)

Chore = Callable[[], object]
"""Something to see to between polls; it keeps its own pace."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workings:
    """What a dispatcher works with. `clock` gives UTC, `random` numbers in [0, 1), `new_token`
    a fresh random text of 32 characters; `wake` is set by whoever has written a message."""

    name: str
    database: Database
    transport: Transport
    policy: Policy
    total_seconds: float
    poll_seconds: float
    wake: threading.Event
    clock: Callable[[], datetime]
    random: Callable[[], float]
    new_token: Callable[[], str]
    on_outcome: OnOutcome
    chores: Sequence[Chore] = ()
    on_stop: Callable[[], object] = lambda: None
    senders: int = 10


class Dispatcher:
    """Delivers what is due, at most one message of a chat at a time."""

    def __init__(self, workings: Workings) -> None:
        self._w = workings
        self._senders = Senders(workings.senders, on_free=workings.wake.set)
        self._lead = Lead()
        self._stopping = threading.Event()
        # Held for a round of `run`. Re-entrant: a signal's handler may stop its own thread.
        self._round = threading.RLock()

    def run(self, is_alive: Callable[[], bool] = lambda: True) -> None:
        """Work until `stop` is called or `is_alive` says no. Survives any error."""
        self._w.wake.clear()
        while not self._stopping.is_set() and is_alive():
            seconds = self._run_a_round(is_alive)
            if seconds > 0 and self._senders.free:
                # Each commit sets `wake`. Where nothing may start, many are looked at together.
                self._stopping.wait(min(seconds, _REST_SECONDS))
            self._w.wake.wait(seconds)
            # Cleared before all that is looked at next, the call to stop included.
            self._w.wake.clear()

    def run_once(self, is_alive: Callable[[], bool] = lambda: True) -> float:
        """See to the chores, start what is due and can start now; how long to wait, in seconds."""
        self._do_chores()
        with self._w.database.read() as connection:
            due = queue.next_due(connection, self._w.clock(), self._w.policy)
        until_due = self._seconds_until(due)
        free = self._senders.free
        if until_due > 0 or free == 0:
            # Where all senders are busy, the one that ends first sets `wake`.
            return min(self._w.poll_seconds, until_due if free else self._w.poll_seconds)
        claims = self._claim(free)
        for claim in claims:
            if self._stopping.is_set() or not is_alive():
                self._release(claim)
            else:
                self._senders.start(partial(self.deliver, claim))
        # Empty-handed: something was given up, or another was faster. Soon look again.
        return 0.0 if claims else _LOOK_AGAIN_SECONDS

    def deliver(self, claim: Claim) -> None:
        """Send one claimed message and write what came of it."""
        try:
            if self._begins_in_time(claim):
                self._settle(claim, self._send(claim))
            else:
                self._release(claim)
        except Exception:
            logger.exception("Message %s could not be settled and is left to its lease", claim.id)

    def stop(self, timeout_seconds: float) -> bool:
        """Claim nothing more and wait for what is in flight; False where some of it still was."""
        deadline = time.monotonic() + timeout_seconds
        self._stopping.set()
        self._w.wake.set()
        # A round that has begun may still start something, or give back what it claimed.
        idle = self._round.acquire(timeout=timeout_seconds)
        if idle:
            self._round.release()
        idle = self._senders.wait_idle(max(0.0, deadline - time.monotonic())) and idle
        self._senders.close(max(0.0, deadline - time.monotonic()))
        self._w.on_stop()
        return idle

    def _run_a_round(self, is_alive: Callable[[], bool]) -> float:
        try:
            with self._round:
                return 0.0 if self._stopping.is_set() else self.run_once(is_alive)
        except Exception:
            logger.exception("The dispatcher failed and goes on")
            return _AFTER_ERROR_SECONDS

    def _do_chores(self) -> None:
        for chore in self._w.chores:
            try:
                chore()
            except Exception:
                logger.exception("A chore of the dispatcher failed and will be tried again")

    def _seconds_until(self, due: datetime | None) -> float:
        if due is None:
            return self._w.poll_seconds
        return max(0.0, (due - self._w.clock()).total_seconds())

    def _claim(self, limit: int) -> list[Claim]:
        terms = claiming.Terms(
            claimed_by=self._w.name,
            new_token=self._w.new_token,
            policy=self._w.policy,
            on_outcome=self._w.on_outcome,
            lead=self._lead.time,
        )
        # The time is taken when the unit runs: a lease that began while it waited for the lock
        # would be shorter than the delivery that it has to cover.
        return self._w.database.write(
            lambda connection: claiming.claim(connection, self._w.clock(), limit, terms)
        )

    def _release(self, claim: Claim) -> None:
        now = self._w.clock()
        self._w.database.write(lambda connection: claiming.release(connection, now, claim))

    def _begins_in_time(self, claim: Claim) -> bool:
        """Wait for the planned start; False where it is past by more than the pace can bear."""
        if claim.debit.id is None:
            return True
        self._lead.observe(self._w.clock() - claim.claimed_at)
        early = (claim.debit.starts_at - self._w.clock()).total_seconds()
        if early > 0:
            time.sleep(early)
        return self._w.clock() - claim.debit.starts_at <= LATEST

    def _send(self, claim: Claim) -> Outcome:
        try:
            return self._w.transport.send(claim.outgoing, self._w.total_seconds)
        except Exception as error:
            # A transport answers with outcomes; one that raises has told us nothing.
            logger.exception("The transport failed on message %s", claim.id)
            return Uncertain(f"The transport failed: {type(error).__name__}.")

    def _settle(self, claim: Claim, outcome: Outcome) -> None:
        """Write the outcome, however long the database makes us wait for it."""
        now, jitter = self._w.clock(), self._w.random()

        def work(connection: Connection) -> list[Settled]:
            return settle(
                connection,
                now,
                claim,
                outcome,
                policy=self._w.policy,
                jitter=jitter,
                on_outcome=self._w.on_outcome,
            )

        while True:
            try:
                settled = self._w.database.write(work, timeout_seconds=None)
            except DatabaseError as error:
                logger.warning("Message %s is not settled yet: %s", claim.id, error)
                time.sleep(_SETTLE_AGAIN_SECONDS)
                continue
            for one in settled:
                _tell(one)
            return


def _tell(settled: Settled) -> None:
    level = logging.INFO if settled.status == "sent" else logging.WARNING
    logger.log(
        level,
        "Message %s to chat %s: attempt %s %s, now %s%s",
        settled.message_id,
        settled.chat_id,
        settled.attempt,
        settled.outcome,
        settled.status,
        f" ({settled.error})" if settled.error else "",
    )
