"""How a gunicorn worker stops: told at any moment, any number of times, it ends once and in order.

gunicorn's own thread worker acts in the signal handler, at whatever line the main thread is: told
to stop while it stops, it can wait for a lock that it holds itself, and a SystemExit can end any
statement in the middle. Here a handler only notes what is wanted; the loop that the main thread
returns to does it.
"""

import logging
import os
import queue
import signal
import sys
import time
from contextlib import suppress
from typing import Any

from gunicorn.workers.gthread import ThreadWorker

HURRIED_SECONDS = 1.0
"""How long a worker that is to stop at once (INT, QUIT) waits for requests that are under way."""


class _OutOfTime(Exception):
    """The worker is not to wait for its requests any longer."""


class OrderlyStop(ThreadWorker):  # type: ignore[misc]  # gunicorn has no types
    """A thread worker whose signal handlers do nothing but note the signal, and wake the loop."""

    masters_signals: Any = None
    """The master's queue of signals, as it was copied by the fork. Until a worker has handlers of
    its own, whatever it is told ends up there, and gunicorn would look at it no more."""

    _requests_until: float | None = None
    """When requests under way are given up, on the monotonic clock; None while nobody hurries."""

    def init_signals(self) -> None:
        super().init_signals()
        with suppress(queue.Empty):
            while self.masters_signals is not None:
                self._obey(self.masters_signals.get_nowait())

    def handle_exit(self, sig: int, frame: Any) -> None:  # noqa: ARG002 - gunicorn's signature
        self._obey(signal.SIGTERM)

    def handle_quit(self, sig: int, frame: Any) -> None:  # noqa: ARG002 - gunicorn's signature
        self._obey(signal.SIGQUIT)

    def _obey(self, sig: int) -> None:
        if sig not in {signal.SIGTERM, signal.SIGINT, signal.SIGQUIT}:
            return
        if sig != signal.SIGTERM and self._requests_until is None:
            self._requests_until = time.monotonic() + HURRIED_SECONDS
        self.alive = False
        self.method_queue.defer(_nothing)

    def run(self) -> None:
        with suppress(_OutOfTime):
            super().run()

    def wait_for_and_dispatch_events(self, timeout: float) -> None:
        if self._requests_until is not None:
            left = self._requests_until - time.monotonic()
            if left <= 0:
                raise _OutOfTime
            timeout = min(timeout, left)
        super().wait_for_and_dispatch_events(timeout)


def end_process(worker: Any) -> None:
    """End the worker's process, as the last of gunicorn's `worker_exit`.

    The interpreter's own end would wait for the threads of requests that nobody waits for any more,
    and it could be interrupted. gunicorn also calls that hook in its master: that goes on.
    """
    if os.getpid() != worker.pid:
        return
    error = sys.exc_info()[1]
    code = error.code if isinstance(error, SystemExit) else 1
    logging.shutdown()
    with suppress(OSError, ValueError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code if isinstance(code, int) else 1)


def _nothing() -> None:
    """Be called by the loop, which looks whether the worker is to stop."""
