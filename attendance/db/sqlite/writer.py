"""The one thread of a process that writes. It commits what waits in one sync of the disk.

`units` runs a group of units of work in one transaction.
"""

import logging
import queue
import sqlite3
import threading

from sqlalchemy import Connection, Engine

from attendance.db.database import T, Work
from attendance.db.errors import TooBusy, Unavailable
from attendance.db.fast.thread_slice import wake_promptly
from attendance.db.sqlite.engines import WRITE_BUSY_SECONDS, driver_connection
from attendance.db.sqlite.identity import FileIdentity
from attendance.db.sqlite.turnstile import Turnstile
from attendance.db.sqlite.units import Failed, Unit, begin, commit, fail

LONGEST_QUEUE = 256
"""How many units may wait. Each thread of this process waits for one at most, and leaves it behind,
withdrawn, if it gives up: there are more than there are threads only while nothing moves."""

_GROUP_SIZE = 64
_CHECKPOINT_EVERY_COMMITS = 256
_MANY_ROWS = 10_000
"""A commit that changes more rows fills the log as 256 others do."""

_TRUNCATE_BEYOND_PAGES = 16384  # 64 MiB at SQLite's usual 4 KiB a page
logger = logging.getLogger(__name__)


class Writer:
    """Run units of work one after the other. The thread starts with the first of them."""

    def __init__(self, engine: Engine, turnstile: Turnstile, identity: FileIdentity) -> None:
        self._engine = engine
        self._turnstile = turnstile
        self._identity = identity
        self._waiting: queue.SimpleQueue[Unit | None] = queue.SimpleQueue()
        self._in_hand: list[Unit] = []
        self._connection: Connection | None = None
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        self._serving = False
        self._closed = False
        self._commits = 0
        self.failing = False
        """Whether the storage failed at the last write, and none has succeeded since."""
        self._refused = 0

    def write(self, work: Work[T], timeout_seconds: float | None) -> T:
        """Run `work(connection)` in a transaction that is on disk when this returns.

        Raises:
            TooBusy: it had not begun after `timeout_seconds` (None: no limit) and never will, or
                it was refused at once since `LONGEST_QUEUE` wait.
            Unavailable: the storage failed; nothing is written.
            Exception: whatever `work` raised; nothing is written.
        """
        unit = Unit(work)
        with self._starting:  # never behind the call to stop, where nobody would look any more
            if self._closed:
                raise RuntimeError("The database was closed.")
            if self._waiting.qsize() >= LONGEST_QUEUE:
                raise TooBusy("The database is busy, and too many wait: nothing was written.")
            self._start()
            self._waiting.put(unit)
        if not unit.wait(timeout_seconds):
            if unit.withdraw():
                raise TooBusy("The database is busy: nothing was written.")
            unit.wait(None)
        return unit.result()  # type: ignore[no-any-return]

    def close(self, timeout_seconds: float) -> None:
        """Finish what waits, and close the connection.

        If somebody else keeps the database locked for longer, the thread is left behind: it is a
        daemon, and what it still waits for was withdrawn or will be left to a lease.
        """
        with self._starting:
            if self._closed or self._thread is None:
                return
            self._closed = True
            if not self._serving:  # another thread, to close what the one that ended left open
                self._start()
            self._waiting.put(None)
        self._thread.join(timeout_seconds)
        if self._thread.is_alive():
            logger.warning("The database is locked by somebody else and is left open")

    def _start(self) -> None:
        if not self._serving:
            self._thread = threading.Thread(target=self._run, name="db-writer", daemon=True)
            self._thread.start()
            self._serving = True

    def _run(self) -> None:
        try:
            self._serve()
        except BaseException as error:  # noqa: BLE001 - whatever it was, nobody may wait for ever
            self._abandon(error)

    def _abandon(self, error: BaseException) -> None:
        """Tell all who wait that this thread has ended; the next to write starts another one."""
        with self._starting:  # nothing is put into the queue between the last look and the end
            self._serving = False
            abandoned = self._in_hand
            while not self._gather(abandoned, limit=LONGEST_QUEUE + _GROUP_SIZE):
                pass  # the call to stop, which ends nothing any more
        for unit in abandoned:
            unit.end(Failed(Unavailable("The writer of the database has ended.")))
        logger.critical("The writer of the database has ended", exc_info=error)

    def _serve(self) -> None:
        # All processes wait for this thread's turn, in which it waits for the disk and for a lock.
        wake_promptly()
        running = True
        while running and (unit := self._waiting.get()) is not None:
            self._in_hand = group = [unit]
            answers: list[tuple[Unit, object]] = []
            try:
                with self._turnstile:
                    running = self._gather(group)
                    self._identity.check()
                    answers = self._commit(group)
                    self._checkpoint()
            except BaseException as error:  # noqa: BLE001 - the thread must outlive any failure
                self._disconnect()
                self._note_failure(error, 0 if answers else len(group))
                if not answers:  # else they are on disk, and what failed came after
                    fail(group, error)
            # After the turn: no other process need wait while ours are woken up.
            for unit, answer in answers:
                unit.end(answer)
        with self._turnstile:
            self._disconnect()
            self._engine.dispose()  # closing the last connection checkpoints: under the turnstile
        self._turnstile.close()

    def _note_failure(self, error: BaseException, refused: int) -> None:
        """Log the first failure of an outage: all that fails until its end is counted."""
        if not self.failing:
            reason = getattr(error, "orig", None) or error
            logger.error("The database cannot be written: %s", str(reason) or type(error).__name__)
        self.failing = True
        self._refused += refused

    def _note_success(self) -> None:
        if self.failing:
            logger.warning("The database can be written again; %d writes failed", self._refused)
        self.failing, self._refused = False, 0

    def _connected(self) -> Connection:
        """Return the connection, which is kept from group to group: to check one out for each
        would take a tenth of the turn."""
        if self._connection is None:
            self._connection = self._engine.connect()
        return self._connection

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _gather(self, group: list[Unit], limit: int = _GROUP_SIZE) -> bool:
        """Add what has queued up meanwhile; False if the last of it was the call to stop."""
        while len(group) < limit:
            try:
                unit = self._waiting.get_nowait()
            except queue.Empty:
                return True
            if unit is None:
                return False
            group.append(unit)
        return True

    def _commit(self, group: list[Unit]) -> list[tuple[Unit, object]]:
        """Commit the units that were not withdrawn, and return what each is to be answered."""
        connection = self._connected()
        transaction = begin(connection, group)
        if transaction is None:
            return []
        begun = [unit for unit in group if unit.begin()]
        before = driver_connection(connection).total_changes
        answers = commit(connection, transaction, begun)
        changed = driver_connection(connection).total_changes - before
        self._commits += _CHECKPOINT_EVERY_COMMITS if changed > _MANY_ROWS else 1
        if changed and not all(isinstance(answer, Failed) for answer in answers):
            self._note_success()
        return list(zip(begun, answers, strict=True))

    def _checkpoint(self) -> None:
        """Move the log into the database now and then, never waiting for anyone."""
        if self._commits < _CHECKPOINT_EVERY_COMMITS:
            return
        self._commits = 0
        raw = driver_connection(self._connected())
        raw.execute("PRAGMA busy_timeout=0")
        try:
            _, pages, _ = raw.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
            if pages > _TRUNCATE_BEYOND_PAGES:
                raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        except sqlite3.Error as error:
            logger.warning("The checkpoint failed and will be tried again: %s", error)
        finally:
            raw.execute(f"PRAGMA busy_timeout={WRITE_BUSY_SECONDS * 1000:.0f}")
