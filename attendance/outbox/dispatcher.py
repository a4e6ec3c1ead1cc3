"""The thread that looks for what is due, and has it delivered by a pool of senders (`delivery`).

`run` only loops and waits; `run_once` is the work. Correctness rests on claims and leases alone:
this process may be killed between any two lines.
"""

import logging
import threading
import time
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import TypeVar

from attendance.outbox import queue
from attendance.outbox.claimer import Claimer
from attendance.outbox.delivery import Delivery
from attendance.outbox.dependencies import Dependencies
from attendance.outbox.sender_pool import SenderPool

_AFTER_ERROR_SECONDS = 1.0
_LOOK_AGAIN_SECONDS = 0.05
_REST_SECONDS = 0.02
_LONG_REST_SECONDS = 0.05
_LOOKS_IN_VAIN = 3
"""After so many in a row the rest is long: what comes in goes to chats that have to wait anyway."""

logger = logging.getLogger(__name__)
T = TypeVar("T")


class Dispatcher:
    """Delivers what is due, at most one message of a chat at a time."""

    def __init__(self, dependencies: Dependencies) -> None:
        self._deps = dependencies
        self._senders = SenderPool(dependencies.senders, on_free=dependencies.wake.set)
        # A probe may take ten seconds: it keeps no sender from its messages.
        self._prober = SenderPool(1, on_free=dependencies.wake.set)
        self._stopping = threading.Event()
        self._claimer = Claimer(dependencies)
        self._delivery = Delivery(dependencies, self._claimer, self._stopping)
        self._looks_in_vain = 0
        # Held for a round of `run`. Re-entrant: a signal's handler may stop its own thread.
        self._round = threading.RLock()

    def run(self) -> None:
        """Work until `stop` is called or the process ends. No error ends it."""
        self._deps.wake.clear()
        while self._delivery.goes_on:
            self._rest(self._run_a_round())
            # Cleared before everything is looked at again, so that no wake-up is lost, and no stop.
            self._deps.wake.clear()

    def run_once(self) -> float:
        """Run the tasks, start what is due and can start now, return how many seconds to wait."""
        self._run_tasks()
        self._probe()
        with self._deps.database.query() as connection:
            due = queue.next_due(connection, self._deps.clock(), self._deps.policy)
        until_due = self._seconds_until(due)
        free = self._senders.free
        if until_due > 0 or free == 0:
            # If all senders are busy, the one that ends first sets `wake`.
            return min(self._deps.poll_seconds, until_due if free else self._deps.poll_seconds)
        claims = self._deps.database.write(partial(self._claimer.claim, limit=free))
        for claim in claims:
            self._senders.start(partial(self._delivery.deliver, claim))
        # Empty-handed: something was given up, or another was faster. Look again soon.
        return 0.0 if claims else _LOOK_AGAIN_SECONDS

    def stop(self, timeout_seconds: float) -> bool:
        """Claim nothing more and wait for what is in flight; False if some of it still is at the
        end."""
        deadline = time.monotonic() + timeout_seconds
        self._stopping.set()
        self._deps.wake.set()
        # A round that has begun may still start something, or give back what it claimed.
        idle = self._round.acquire(timeout=timeout_seconds)
        if idle:
            self._round.release()
        for threads in (self._senders, self._prober):
            idle = threads.wait_idle(max(0.0, deadline - time.monotonic())) and idle
            threads.close(max(0.0, deadline - time.monotonic()))
        self._deps.on_stop()
        return idle

    def _rest(self, seconds: float) -> None:
        """Wait until something is due or `wake` is set."""
        # Each commit sets it: a short sleep gathers those of a busy moment into one look.
        self._looks_in_vain = self._looks_in_vain + 1 if seconds > 0 else 0
        if seconds > 0 and self._senders.free:
            long = self._looks_in_vain > _LOOKS_IN_VAIN
            together = min(seconds, _LONG_REST_SECONDS if long else _REST_SECONDS)
            self._stopping.wait(together)
            seconds -= together
        if not self._deps.wake.wait(seconds):
            self._looks_in_vain = 0

    def _run_a_round(self) -> float:
        with self._round:
            try:
                return self.run_once() if self._delivery.goes_on else 0.0
            except Exception as error:
                logger.exception("The dispatcher failed and goes on")
                self._deps.on_crash("round", error)
                return _AFTER_ERROR_SECONDS

    def _run_tasks(self) -> None:
        for task in self._deps.tasks:
            try:
                task()
            except Exception as error:
                logger.exception("A task of the dispatcher failed and will be tried again")
                self._deps.on_crash("task", error)

    def _probe(self) -> None:
        for probe in self._deps.probes:
            if self._prober.free and (job := self._attempt(probe)) is not None:
                self._prober.start(partial(self._attempt, job))

    def _attempt(self, probe: Callable[[], T]) -> T | None:
        try:
            return probe()
        except Exception as error:
            logger.exception("A probe of the dispatcher failed and will be made again")
            self._deps.on_crash("probe", error)
            return None

    def _seconds_until(self, due: datetime | None) -> float:
        if due is None:
            return self._deps.poll_seconds
        return max(0.0, (due - self._deps.clock()).total_seconds())
