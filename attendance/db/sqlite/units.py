"""Run a group of units of work in one transaction.

One that fails takes no other with it: the group is undone and done again, each unit in a savepoint
of its own, which most groups never need.
"""

import sqlite3
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.engine import RootTransaction

from attendance.db.errors import CLOSED, Damaged, DatabaseError, Moved, Unavailable
from attendance.db.sqlite.engines import close_cursors, driver_connection

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
_DAMAGE_CODES = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})


@dataclass(frozen=True, slots=True)
class Failed:
    """The answer to a unit that raised."""

    error: Exception


class Unit:
    """Work that somebody waits for. It can be withdrawn until it begins; from then on its caller
    waits for the end. A future of `concurrent.futures` would do the same, with three times as many
    switches between threads."""

    __slots__ = ("_answer", "_begun", "_ended", "has_ended", "is_withdrawn", "work")

    def __init__(self, work: Callable[[Connection], Any]) -> None:
        self.work = work
        self.is_withdrawn = self.has_ended = False
        self._answer: object = None
        # Taken once, by whoever is first: the writer that begins, or the caller that withdraws.
        self._begun = threading.Lock()
        self._ended = threading.Lock()
        self._ended.acquire()

    def begin(self) -> bool:
        """Begin it; False if it was withdrawn."""
        return self._begun.acquire(blocking=False)

    def withdraw(self) -> bool:
        """Withdraw it; False if it has begun."""
        self.is_withdrawn = self._begun.acquire(blocking=False)
        return self.is_withdrawn

    def end(self, answer: object) -> None:
        """Answer whoever waits; only the first answer counts. For the writer's thread."""
        if not self.has_ended:
            self.has_ended, self._answer = True, answer
            self._ended.release()

    def wait(self, timeout_seconds: float | None) -> bool:
        """Wait until it has ended; False if it has not within this time (None: however long it
        takes)."""
        return self._ended.acquire(timeout=-1 if timeout_seconds is None else timeout_seconds)

    def result(self) -> Any:
        """Return what the work returned; raise what it raised, storage errors as `Unavailable`."""
        if isinstance(self._answer, Failed):
            raise as_ours(self._answer.error)
        return self._answer


def begin(connection: Connection, group: Sequence[Unit]) -> RootTransaction | None:
    """Take SQLite's write lock. If a stranger holds it, wait as long as anyone waits for us: until
    then every unit can still be withdrawn. None if all were."""
    while True:
        try:
            return connection.begin()
        except sqlite3.Error as error:
            if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_BUSY_SNAPSHOT:
                # Not a stranger, but a half-read statement of our own: waiting would not end it.
                connection.invalidate()
                raise
            if _storage_code(error) != sqlite3.SQLITE_BUSY:
                raise
            if all(unit.is_withdrawn for unit in group):
                return None


def commit(
    connection: Connection, transaction: RootTransaction, units: Sequence[Unit]
) -> list[object]:
    """Commit, and return what each unit is to be answered.

    Raises whatever ended the whole transaction: nothing is written.
    """
    answers = _together(connection, transaction, units)
    if answers is None:
        with connection.begin():
            answers = [_apart(connection, unit) for unit in units]
    return answers


def fail(group: Sequence[Unit], error: BaseException) -> None:
    """Tell everyone who still waits that the group's transaction is gone."""
    for unit in group:
        unit.end(Failed(error if isinstance(error, DatabaseError) else _unavailable(error)))


def _together(
    connection: Connection, transaction: RootTransaction, units: Sequence[Unit]
) -> list[object] | None:
    """Run the units without savepoints; None, and nothing is written, if one of several failed, or
    hid that it ended the transaction."""
    driver = driver_connection(connection)
    answers: list[object] = []
    with transaction:
        try:
            for unit in units:
                answers.append(_call(connection, unit))
                if not driver.in_transaction:
                    return None
        except Exception as error:  # noqa: BLE001 - it is the answer, or comes again
            answers, is_known = [Failed(error)], len(units) == 1 and driver.in_transaction
            transaction.rollback()
            return answers if is_known else None
    return answers


def _apart(connection: Connection, unit: Unit) -> object:
    """Return the unit's result, or `Failed` with its savepoint undone.

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
        return Failed(error)
    driver.execute("RELEASE unit")
    return result


def _call(connection: Connection, unit: Unit) -> object:
    try:
        return unit.work(connection)
    finally:
        # A traceback or a result may keep a cursor alive, with which all later units would fail.
        close_cursors(connection)


def as_ours(error: Exception) -> Exception:
    """Return a failure of the storage as an error of ours, and any other as it is."""
    reason = getattr(error, "orig", None) or error
    if isinstance(reason, sqlite3.IntegrityError) and str(reason).startswith(CLOSED):
        moved = Moved(str(reason))
        moved.__cause__ = error
        return moved
    return _unavailable(error) if _storage_code(error) in _STORAGE_CODES | _DAMAGE_CODES else error


def _unavailable(error: BaseException) -> Unavailable:
    reason = getattr(error, "orig", None) or error
    if _storage_code(error) in _DAMAGE_CODES:
        damaged = Damaged(f"The database that DATABASE_URL names refused: {reason}.")
        damaged.__cause__ = error
        return damaged
    unavailable = Unavailable(f"The database cannot be written ({reason}): nothing was stored.")
    unavailable.__cause__ = error
    return unavailable


def _storage_code(error: BaseException) -> int | None:
    """Return SQLite's primary result code, of the driver's own error or of SQLAlchemy's around
    it."""
    code = getattr(getattr(error, "orig", error), "sqlite_errorcode", None)
    return None if code is None else code & 0xFF
