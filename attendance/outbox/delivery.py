"""Carry out one delivery: send what was claimed at its planned start, settle it, take the next."""

import logging
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import TypeVar

from sqlalchemy import Connection

from attendance.db import DatabaseError
from attendance.outbox import claim as claims
from attendance.outbox.claimer import Claimer
from attendance.outbox.dependencies import Dependencies
from attendance.outbox.rate_limits import HORIZON, LATEST, LONGEST_LEAD
from attendance.outbox.settlement import settle
from attendance.outbox.transport import Outcome, Uncertain
from attendance.outbox.types import Claim, Settled

_SETTLE_AGAIN_SECONDS = 1.0
logger = logging.getLogger(__name__)
T = TypeVar("T")


class Delivery:
    """What the senders of one dispatcher do. No transaction is open while a request is under way;
    once `stopping` is set nothing more is sent."""

    def __init__(
        self, dependencies: Dependencies, claimer: Claimer, stopping: threading.Event
    ) -> None:
        self._deps = dependencies
        self._claimer = claimer
        self._stopping = stopping

    @property
    def goes_on(self) -> bool:
        return not self._stopping.is_set() and self._deps.is_alive()

    def deliver(self, claim: Claim) -> None:
        """Send what was claimed and write what came of it; then do the same with the next that is
        due, if there is one."""
        following: Claim | None = claim
        while following is not None:
            following = self._deliver_one(following)

    def _deliver_one(self, claim: Claim) -> Claim | None:
        try:
            if self._begins_in_time(claim) and self.goes_on:
                return self._settle(claim, self._send(claim))
            self._release(claim)
        except Exception as error:
            logger.exception("Message %s could not be settled and is left to its lease", claim.id)
            self._deps.on_crash("delivery", error)
        return None

    def _claim_following(self, connection: Connection) -> Claim | None:
        """Claim the next that is due, in the transaction that settles the last one: then a sender
        that has just become free need not wait for a round."""
        # Not patient: we hold a lane, and whoever plans starts may be waiting for it.
        if not self.goes_on:
            return None
        return next(iter(self._claimer.claim(connection, 1, patient=False)), None)

    def _release(self, claim: Claim) -> None:
        now = self._deps.clock()
        self._persist(lambda connection: claims.release(connection, now, claim), claim)

    def _begins_in_time(self, claim: Claim) -> bool:
        """Wait for the planned start; False if it is past by more than the rate limits bear."""
        if claim.debit.id is None:
            return True
        self._claimer.lead.observe(self._deps.clock() - claim.claimed_at)
        early = min(claim.debit.starts_at - self._deps.clock(), LONGEST_LEAD + HORIZON)
        if early > timedelta():
            self._stopping.wait(early.total_seconds())
        late = self._deps.clock() - claim.debit.starts_at
        if late > LATEST:
            logger.debug("Message %s is given back: %s behind its planned start", claim.id, late)
        return late <= LATEST

    def _send(self, claim: Claim) -> Outcome:
        try:
            return self._deps.transport.send(claim.outgoing, self._deps.total_seconds)
        except Exception as error:
            # A transport answers with outcomes; one that raises has told us nothing.
            logger.exception("The transport failed on message %s", claim.id)
            return Uncertain(f"The transport failed: {type(error).__name__}.")

    def _settle(self, claim: Claim, outcome: Outcome) -> Claim | None:
        """Write the outcome, and claim what this sender can deliver next."""
        settle_it = self._settlement(claim, outcome)

        def settle_and_claim(connection: Connection) -> tuple[list[Settled], Claim | None]:
            return settle_it(connection), self._claim_following(connection)

        following = None
        try:
            settled, following = self._deps.database.write(settle_and_claim, timeout_seconds=None)
        except Exception as error:
            # What is wrong with the next one must not undo the outcome: it is written by itself.
            if not isinstance(error, DatabaseError):
                logger.exception("The end of message %s is written by itself", claim.id)
                self._deps.on_crash("delivery", error)
            settled = self._persist(settle_it, claim)
        for one in settled:
            _tell(one)
        return following

    def _settlement(self, claim: Claim, outcome: Outcome) -> Callable[[Connection], list[Settled]]:
        return partial(
            settle,
            now=self._deps.clock(),
            claim=claim,
            outcome=outcome,
            policy=self._deps.policy,
            jitter=self._deps.random(),
            on_outcome=self._deps.on_outcome,
        )

    def _persist(self, work: Callable[[Connection], T], claim: Claim) -> T:
        """Write the end of a claim, however long the database makes us wait for it."""
        while True:
            try:
                return self._deps.database.write(work, timeout_seconds=None)
            except DatabaseError as error:
                logger.warning("The end of message %s is not written yet: %s", claim.id, error)
                time.sleep(_SETTLE_AGAIN_SECONDS)


def _tell(settled: Settled) -> None:
    logger.log(
        _level(settled),
        "Message %s to chat %s: attempt %s %s, now %s%s",
        settled.message_id,
        settled.chat_id,
        settled.attempt,
        settled.outcome,
        settled.status,
        f" ({settled.error})" if settled.error else "",
    )


def _level(settled: Settled) -> int:
    """Choose the level of the line: DEBUG for what goes as it should."""
    # That is in the outbox and the audit trail anyway, and senders that wait for one another to
    # write a line each spend a tenth of their time on it.
    if settled.status != "sent":
        return logging.WARNING
    return logging.DEBUG if settled.attempt == 1 else logging.INFO
