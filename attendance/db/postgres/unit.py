"""Run one unit of work on PostgreSQL in a transaction, and judge how that ended."""

import time
from typing import Generic

from sqlalchemy import Connection
from sqlalchemy.engine import RootTransaction
from sqlalchemy.exc import DBAPIError

from attendance.db.database import T, Work
from attendance.db.errors import Denied, TooBusy, Unavailable
from attendance.db.postgres.engine import LOCK_SECONDS, is_lost
from attendance.db.postgres.failures import Disposition, disposition_of, reason_of
from attendance.db.postgres.privileges import REMEDY

_MOST_UNIQUE_VIOLATIONS = 3
"""After so many, running the work again does not help: the error is its own."""


class RetryTransaction(Exception):
    """The transaction is gone without a trace, and the work may be run once more."""

    def __init__(
        self, error: BaseException, disposition: Disposition, *, unique_violations: int = 0
    ) -> None:
        super().__init__(disposition)
        self.error, self.disposition, self._unique_violations = (
            error,
            disposition,
            unique_violations,
        )

    @classmethod
    def after(cls, error: BaseException) -> "RetryTransaction":
        return cls(error, disposition_of(error))

    @property
    def is_own(self) -> bool:
        return self.disposition in {"own", "unique_violation"}

    @property
    def is_grave(self) -> bool:
        return self.disposition in {"lost", "storage"}

    @property
    def at_once(self) -> bool:
        """Tell whether what stood in the way is over."""
        return self.disposition == "unique_violation"

    @property
    def is_final(self) -> bool:
        """Tell whether another run would end the same way."""
        return (
            self.disposition in {"own", "storage", "denied"}
            or self._unique_violations >= _MOST_UNIQUE_VIOLATIONS
        )

    def told(self) -> BaseException:
        """Return the error that the caller gets if the work is not run again."""
        if self.is_own:
            return self.error
        reason = reason_of(self.error)
        if self.disposition in {"again", "busy"}:
            return TooBusy(f"The database is busy ({reason}): nothing was written.")
        if self.disposition == "denied":
            return Denied(
                f"The database does not let us write ({reason}): nothing was stored. {REMEDY}"
            )
        return Unavailable(f"The database cannot be written ({reason}): nothing was stored.")


class Unit(Generic[T]):
    """The work, and until when it may begin."""

    def __init__(self, work: Work[T], timeout_seconds: float | None) -> None:
        self._work = work
        self._timeout = timeout_seconds
        self._ends = None if timeout_seconds is None else time.monotonic() + timeout_seconds
        self._unique_violations = 0
        self.tries = 0

    def seconds_left(self) -> float | None:
        return None if self._ends is None else max(0.0, self._ends - time.monotonic())

    def run(self, connection: Connection) -> T:
        """Run the work, commit, and return its result.

        Raises:
            RetryTransaction: it is not committed, and may be run again.
            Unavailable: it is not known whether it is.
            Exception: what the work raised; it is not committed.
        """
        self.tries += 1
        transaction = connection.begin()
        try:
            self._bound(connection)
            result = self._work(connection)
        except Exception as error:
            _undo(connection, transaction)
            raise self._judged(error) from error
        except BaseException:
            _undo(connection, transaction)
            raise
        self._commit(connection, transaction)
        return result

    def _bound(self, connection: Connection) -> None:
        """Let the server wait for locks no longer than the caller would."""
        if self._timeout is not None and self._timeout < LOCK_SECONDS:
            milliseconds = max(1, round(1000 * (self.seconds_left() or 0)))
            connection.exec_driver_sql(f"SET LOCAL lock_timeout = {milliseconds}")

    def _commit(self, connection: Connection, transaction: RootTransaction) -> None:
        lost = is_lost(connection)  # before a commit could be sent: so nothing is written
        try:
            transaction.commit()
        except DBAPIError as error:
            if not lost and (connection.invalidated or disposition_of(error) == "lost"):
                raise Unavailable(
                    f"The connection was lost during the commit ({reason_of(error)}): "
                    "it is not known whether it was written."
                ) from error
            raise RetryTransaction(error, "lost" if lost else disposition_of(error)) from error

    def _judged(self, error: Exception) -> Exception:
        disposition = disposition_of(error)
        if disposition == "own":
            return error
        self._unique_violations += disposition == "unique_violation"
        return RetryTransaction(error, disposition, unique_violations=self._unique_violations)


def _undo(connection: Connection, transaction: RootTransaction) -> None:
    if is_lost(connection):
        connection.invalidate()
    elif transaction.is_active:
        transaction.rollback()
