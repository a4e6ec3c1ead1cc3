"""Claim, send, settle: the thread that empties the outbox.

`run` only loops and waits; `run_once` is the work. Correctness rests on claims and leases alone:
this process may be killed between any two lines.
"""

import logging
import threading
import time
from datetime import datetime
from functools import partial

from attendance.outbox import queue
from attendance.outbox.delivery import Delivery
from attendance.outbox.senders import Job, Senders
from attendance.outbox.workings import Workings

_AFTER_ERROR_SECONDS = 1.0
_LOOK_AGAIN_SECONDS = 0.05
logger = logging.getLogger(__name__)


class Dispatcher:
    """Delivers what is due, at most one message of a chat at a time."""

    def __init__(self, workings: Workings) -> None:
        self._w = workings
        self._senders = Senders(workings.senders, on_free=workings.wake.set)
        self._stopping = threading.Event()
        self._delivery = Delivery(workings, self._stopping)
        # Held for a round of `run`. Re-entrant: a signal's handler may stop its own thread.
        self._round = threading.RLock()

    def run(self) -> None:
        """Work until `stop` is called or the process ends. Survives any error."""
        self._w.wake.clear()
        while self._delivery.goes_on:
            self._w.wake.wait(self._run_a_round())
            # Cleared before all that is looked at next, the call to stop included.
            self._w.wake.clear()

    def run_once(self) -> float:
        """See to the chores, start what is due and can start now; how long to wait, in seconds."""
        self._do_chores()
        with self._w.database.read() as connection:
            due = queue.next_due(connection, self._w.clock(), self._w.policy)
        until_due = self._seconds_until(due)
        free = self._senders.free
        if until_due > 0 or free == 0:
            # Where all senders are busy, the one that ends first sets `wake`.
            return min(self._w.poll_seconds, until_due if free else self._w.poll_seconds)
        claims = self._w.database.write(partial(self._delivery.claim, limit=free))
        for claim in claims:
            self._senders.start(partial(self._delivery.deliver, claim))
        # Empty-handed: something was given up, or another was faster. Soon look again.
        return 0.0 if claims else _LOOK_AGAIN_SECONDS

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

    def _run_a_round(self) -> float:
        try:
            with self._round:
                return self.run_once() if self._delivery.goes_on else 0.0
        except Exception:
            logger.exception("The dispatcher failed and goes on")
            return _AFTER_ERROR_SECONDS

    def _do_chores(self) -> None:
        for chore in self._w.chores:
            try:
                job = chore()
            except Exception:
                logger.exception("A chore of the dispatcher failed and will be tried again")
                continue
            if job is not None:
                self._senders.start(partial(_do, job))

    def _seconds_until(self, due: datetime | None) -> float:
        if due is None:
            return self._w.poll_seconds
        return max(0.0, (due - self._w.clock()).total_seconds())


def _do(job: Job) -> None:
    try:
        job()
    except Exception:
        logger.exception("A chore of the dispatcher failed and will be tried again")
