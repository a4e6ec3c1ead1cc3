"""A thread that hears of what other processes have committed.

It is only a help: what is not heard is found by the poll.
"""

import logging
import os
import select
import threading
from typing import Any

from sqlalchemy import Engine

from attendance.db.postgres.engine import connected
from attendance.db.postgres.failures import reason_of

CHANNEL = "attendance_due"
_AGAIN_SECONDS = 1.0
logger = logging.getLogger(__name__)


class Listener:
    """Set `heard` at each notice, and after connecting: one may have been missed."""

    def __init__(self, engine: Engine, heard: threading.Event) -> None:
        self._engine, self._heard = engine, heard
        self._stopped = threading.Event()
        self._is_deaf = False
        self._end, self._ending = os.pipe()
        self._thread = threading.Thread(target=self._run, name="db-listener", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        os.write(self._ending, b".")  # wakes the thread, which waits without a timeout
        self._thread.join()
        for end in (self._end, self._ending):
            os.close(end)

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                self._listen()
            except Exception as error:  # noqa: BLE001 - whatever it was, try again
                self._note_outage(error)
                self._stopped.wait(_AGAIN_SECONDS)

    def _note_outage(self, error: Exception) -> None:
        """Log it once, however often it is tried again."""
        if not self._is_deaf:
            self._is_deaf = True
            logger.warning("Nothing is heard of other hosts for now: %s", reason_of(error))

    def _note_hearing(self) -> None:
        """Log that it is over, and set `heard`: whatever was said meanwhile was missed."""
        if self._is_deaf:
            self._is_deaf = False
            logger.warning("Other hosts are heard again.")
        self._heard.set()

    def _listen(self) -> None:
        with connected(self._engine) as connection:
            driver: Any = connection.connection.dbapi_connection
            driver.autocommit = True
            driver.execute(f"LISTEN {CHANNEL}")
            self._note_hearing()
            poll = select.poll()
            for descriptor in (driver.pgconn.socket, self._end):
                poll.register(descriptor, select.POLLIN)
            while not self._stopped.is_set():
                poll.poll()
                if any(driver.notifies(timeout=0)):
                    self._heard.set()
