"""The database as the rest of the service sees it."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection

from attendance.db.engines import close_cursors, reading_engine, writing_engine
from attendance.db.errors import NoDatabase
from attendance.db.files import sqlite_path
from attendance.db.turnstile import Turnstile
from attendance.db.writer import T, Work, Writer

WRITE_TIMEOUT_SECONDS = 10.0
"""How long a caller waits for its unit of work to begin before it is told to come back later."""

_CLOSE_TIMEOUT_SECONDS = 20.0
_LITTLE_SPACE_BYTES = 16 * 1024 * 1024


def _do_nothing(_: Connection) -> None:
    """Begins and commits, and so takes the lock."""


def _rewrite_header(connection: Connection) -> None:
    """A write that changes nothing: the same number in the file's header, in the log, synced."""
    connection.exec_driver_sql("PRAGMA user_version = 0")


class Database:
    """One SQLite file. Opens nothing until it is first used, and belongs to the process that
    uses it first: make it after a fork."""

    def __init__(self, path: Path, *, readers: int = 24) -> None:
        self.path = path
        self._pid: int | None = None
        self._turnstile = Turnstile(path)
        self._writer = Writer(writing_engine(path), self._turnstile)
        self._reading = reading_engine(path, readers)
        self._looking: list[Connection] = []

    @classmethod
    def at(cls, url: str) -> "Database":
        """The database that `url` names.

        Raises:
            BadDatabaseUrl: it cannot be a database of ours.
            NoDatabase: there is no such file.
        """
        path = sqlite_path(url)
        if not path.exists():
            raise NoDatabase(
                f"There is no database at {path} (DATABASE_URL): "
                "make it with `manage.py db upgrade`, or name the right one."
            )
        return cls(path)

    def write(self, work: Work[T], timeout_seconds: float | None = WRITE_TIMEOUT_SECONDS) -> T:
        """Run `work(connection)` in one transaction that is on disk when this returns.

        `work` may run in another thread and more than once: it takes ids and times from its
        caller, does no I/O but the connection's, returns plain values, and lets the database's
        errors out: some of them end the transaction, and what it wrote after would stay.

        Raises:
            TooBusy: withdrawn before it began, after `timeout_seconds` (None: wait for ever), or
                refused since too many wait already.
            Unavailable: the storage failed.
            Exception: what `work` raised. In each case nothing is written.
        """
        self._claim_process()
        return self._writer.write(work, timeout_seconds)

    def prove_writable(self, timeout_seconds: float) -> None:
        """Write, where there is reason to doubt that it can be done; else take the lock only.

        Raises:
            TooBusy, Unavailable: it cannot.
        """
        free = shutil.disk_usage(self.path.parent).free
        doubtful = self._writer.failing or free < _LITTLE_SPACE_BYTES
        self.write(_rewrite_header if doubtful else _do_nothing, timeout_seconds)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection that sees one state of the database and cannot write."""
        self._claim_process()
        with self._reading.begin() as connection:
            yield connection

    @contextmanager
    def look(self) -> Iterator[Connection]:
        """The same for one `Prepared` query, which sees one state by itself: nothing is begun, and
        the connection is kept for the next look."""
        self._claim_process()
        try:
            connection = self._looking.pop()
        except IndexError:
            connection = self._reading.connect()
        try:
            yield connection
        finally:
            # A statement that was not read to its end, or a query that did begin a transaction,
            # would see the same old state from then on, and starve the checkpoints.
            close_cursors(connection)
            connection.rollback()
            self._looking.append(connection)

    def close(self) -> None:
        """Finish what waits to be written and close all connections."""
        # Whoever closes the last connection checkpoints: readers first, the writer under its lock.
        while self._looking:
            self._looking.pop().close()
        self._reading.dispose()
        self._writer.close(_CLOSE_TIMEOUT_SECONDS)

    def _claim_process(self) -> None:
        if self._pid is None:
            self._pid = os.getpid()
        elif self._pid != os.getpid():
            raise RuntimeError("The database was used before a fork: make a new one after it.")
