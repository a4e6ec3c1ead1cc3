"""The one thread of a process that writes, committing all that waits in one sync of the disk.

Each unit of work runs in a savepoint of its own, so that one that fails takes no other with it.
A unit is a future: it can be withdrawn until it begins, and is waited for from then on.
"""

import logging
import queue
import sqlite3
import threading
from concurrent.futures import Future, InvalidStateError
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Engine
from sqlalchemy.engine import RootTransaction

from attendance.db.database import T, Work
from attendance.db.errors import TooBusy, Unavailable
from attendance.db.sqlite.engines import close_cursors, driver_connection
from attendance.db.sqlite.turnstile import Turnstile

LONGEST_QUEUE = 256
"""Units that may wait. Each thread of this process waits for one at most, but leaves it behind,
withdrawn, where it gives up: more than there are threads are there only while nothing moves."""

_GROUP_SIZE = 64
_CHECKPOINT_EVERY_COMMITS = 256
_TRUNCATE_BEYOND_PAGES = 16384
_STORAGE_CODES = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PROTOCOL,
    }
)
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class _Unit:
    work: Work[Any]
    future: "Future[Any]" = field(default_factory=Future)


class Writer:
    """Runs units of work one after the other. The thread starts with the first of them."""

    def __init__(self, engine: Engine, turnstile: Turnstile) -> None:
        self._engine = engine
        self._turnstile = turnstile
        self._waiting: queue.SimpleQueue[_Unit | None] = queue.SimpleQueue()
        self._in_hand: list[_Unit] = []
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        self._serving = False
        self._closed = False
        self._commits = 0
        self.failing = False
        """Whether the storage failed at the last write, and none has succeeded since."""

    def write(self, work: Work[T], timeout_seconds: float | None) -> T:
        """`work(connection)` in a transaction that is on disk when this returns.

        Raises:
            TooBusy: it had not begun after `timeout_seconds` (None: no limit) and never will, or
                it was refused at once since `LONGEST_QUEUE` wait.
            Unavailable: the storage failed; nothing is written.
            Exception: whatever `work` raised; nothing is written.
        """
        unit = _Unit(work)
        with self._starting:  # never behind the call to stop, where nobody would look any more
            if self._closed:
                raise RuntimeError("The database was closed.")
            if self._waiting.qsize() >= LONGEST_QUEUE:
                raise TooBusy("The database is busy, and too many wait: nothing was written.")
            self._start()
            self._waiting.put(unit)
        try:
            return unit.future.result(timeout_seconds)  # type: ignore[no-any-return]
        except FutureTimeout:
            if unit.future.cancel():
                raise TooBusy("The database is busy: nothing was written.") from None
            return unit.future.result()  # type: ignore[no-any-return]

    def close(self, timeout_seconds: float) -> None:
        """Finish what waits, and close the connection.

        Where somebody else keeps the database locked for longer, the thread is left behind: it is
        a daemon, and what it still waits for was withdrawn or will be left to a lease.
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
            with suppress(InvalidStateError):
                unit.future.set_exception(Unavailable("The writer of the database has ended."))
        logger.critical("The writer of the database has ended", exc_info=error)

    def _serve(self) -> None:
        running = True
        while running and (unit := self._waiting.get()) is not None:
            self._in_hand = group = [unit]
            try:
                with self._turnstile:
                    running = self._gather(group)
                    self._commit(group)
                    self._checkpoint()
            except BaseException as error:  # noqa: BLE001 - the thread must outlive any failure
                self.failing = True
                _fail(group, error)
        with self._turnstile:
            self._engine.dispose()  # closing the last connection checkpoints: under the turnstile
        self._turnstile.close()

    def _gather(self, group: list[_Unit], limit: int = _GROUP_SIZE) -> bool:
        """Add what has queued up meanwhile; False where the last of it was the call to stop."""
        while len(group) < limit:
            try:
                unit = self._waiting.get_nowait()
            except queue.Empty:
                return True
            if unit is None:
                return False
            group.append(unit)
        return True

    def _commit(self, group: list[_Unit]) -> None:
        with self._engine.connect() as connection:
            transaction = _begin(connection, group)
            if transaction is None:
                return
            with transaction:
                begun = [unit for unit in group if unit.future.set_running_or_notify_cancel()]
                before = driver_connection(connection).total_changes
                answers = [_attempt(connection, unit) for unit in begun]
            self._commits += 1
            if driver_connection(connection).total_changes > before:
                self.failing = False
        for unit, answer in zip(begun, answers, strict=True):
            _answer(unit, answer)

    def _checkpoint(self) -> None:
        """Move the log into the database now and then, never waiting for anyone."""
        if self._commits < _CHECKPOINT_EVERY_COMMITS:
            return
        self._commits = 0
        with self._engine.connect() as connection:
            raw = driver_connection(connection)
            raw.execute("PRAGMA busy_timeout=0")
            try:
                _, pages, _ = raw.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
                if pages > _TRUNCATE_BEYOND_PAGES:
                    raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            except sqlite3.Error as error:
                logger.warning("The checkpoint failed and will be tried again: %s", error)
            finally:
                raw.execute("PRAGMA busy_timeout=1000")


def _begin(connection: Connection, group: list[_Unit]) -> RootTransaction | None:
    """Take SQLite's write lock. A stranger who holds it is waited for as long as anyone waits for
    us: until then every unit can still be withdrawn. None where all were."""
    while True:
        try:
            return connection.begin()
        except sqlite3.Error as error:
            if _storage_code(error) != sqlite3.SQLITE_BUSY:
                raise
            if all(unit.future.cancelled() for unit in group):
                return None


@dataclass(frozen=True, slots=True)
class _Failed:
    error: Exception


def _attempt(connection: Connection, unit: _Unit) -> object:
    """The unit's result, or `_Failed` with its savepoint undone.

    Raises whatever ended the whole transaction: the next savepoint would otherwise open, and
    commit, a transaction of its own (SQLITE_FULL does this, and at times IOERR and NOMEM).
    """
    driver = driver_connection(connection)
    driver.execute("SAVEPOINT unit")
    try:
        result = _call(connection, unit)
    except Exception as error:
        if not driver.in_transaction:
            raise
        driver.execute("ROLLBACK TO unit")
        driver.execute("RELEASE unit")
        return _Failed(error)
    driver.execute("RELEASE unit")
    return result


def _call(connection: Connection, unit: _Unit) -> object:
    try:
        return unit.work(connection)
    finally:
        # Its traceback or its result may keep one alive, and all that follow would fail with it.
        close_cursors(connection)


def _answer(unit: _Unit, answer: object) -> None:
    if isinstance(answer, _Failed):
        unit.future.set_exception(_as_ours(answer.error))
    else:
        unit.future.set_result(answer)


def _fail(group: list[_Unit], error: BaseException) -> None:
    """The group's transaction is gone: everyone who still waits is told so."""
    logger.error(
        "A group of %d units of work was rolled back: %s",
        len(group),
        getattr(error, "orig", None) or type(error).__name__,
    )
    for unit in group:
        # Done already: withdrawn, perhaps at this very moment, or answered.
        with suppress(InvalidStateError):
            unit.future.set_exception(_unavailable(error))


def _as_ours(error: Exception) -> Exception:
    return _unavailable(error) if _storage_code(error) in _STORAGE_CODES else error


def _unavailable(error: BaseException) -> Unavailable:
    reason = getattr(error, "orig", None) or error
    unavailable = Unavailable(f"The database cannot be written ({reason}): nothing was stored.")
    unavailable.__cause__ = error
    return unavailable


def _storage_code(error: BaseException) -> int | None:
    """SQLite's primary result code, of the driver's own error or of SQLAlchemy's around it."""
    code = getattr(getattr(error, "orig", error), "sqlite_errorcode", None)
    return None if code is None else code & 0xFF
