"""A database that is one SQLite file."""

import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

from sqlalchemy import URL, Connection
from sqlalchemy.exc import DBAPIError

from attendance.config.capacity import READERS
from attendance.db.base import utc_now
from attendance.db.database import WRITE_TIMEOUT_SECONDS, Database, T, Work
from attendance.db.errors import Damaged, NoDatabase
from attendance.db.relocation import refuse_closed
from attendance.db.sqlite import backup
from attendance.db.sqlite.engines import close_cursors, reading_engine, writing_engine
from attendance.db.sqlite.files import create_database_file, sqlite_path
from attendance.db.sqlite.identity import FileIdentity
from attendance.db.sqlite.turnstile import Turnstile
from attendance.db.sqlite.units import as_ours
from attendance.db.sqlite.writer import Writer

_CLOSE_TIMEOUT_SECONDS = 20.0
_LITTLE_SPACE_BYTES = 16 * 1024 * 1024


def _rewrite_header(connection: Connection) -> None:
    """Write without a change: the same number into the file's header, through the log, synced."""
    connection.exec_driver_sql("PRAGMA user_version = 0")


class SqliteDatabase(Database, scheme="sqlite"):
    """One file at `path`."""

    def __init__(self, path: Path, *, readers: int = READERS) -> None:
        super().__init__()
        self.path = path
        self.name = str(path)
        self._turnstile = Turnstile(path)
        self._writer = Writer(writing_engine(path), self._turnstile, FileIdentity(path))
        self._reading_engine = reading_engine(path, readers)
        self._query_connections: list[Connection] = []
        self._damage: str | None = None

    @classmethod
    def opened(cls, url: URL) -> "SqliteDatabase":
        path = sqlite_path(url)
        if not path.exists():
            raise NoDatabase(
                f"There is no database at {path} (DATABASE_URL): "
                "make it with `manage.py db upgrade`, or name the right one."
            )
        return cls(path)

    @classmethod
    @contextmanager
    def being_upgraded(cls, url: URL, group: str | None) -> Iterator[Connection]:
        path = sqlite_path(url)
        create_database_file(path, group)
        engine = writing_engine(path)
        turnstile = Turnstile(path)
        try:
            with turnstile, engine.begin() as connection:
                yield connection
        finally:
            with turnstile:  # closing the last connection checkpoints
                engine.dispose()
            turnstile.close()

    def write(self, work: Work[T], timeout_seconds: float | None = WRITE_TIMEOUT_SECONDS) -> T:
        self._claim_process()
        with self._watched():
            return self._writer.write(work, timeout_seconds)

    @contextmanager
    def _watched(self) -> Iterator[None]:
        """Raise what finds damage as ours, and remember it: it does not mend itself."""
        try:
            yield
        except Damaged as error:
            self._damage = str(error)
            raise
        except DBAPIError as error:
            ours = as_ours(error)
            if not isinstance(ours, Damaged):
                raise
            self._damage = str(ours)
            raise ours from error

    def check_writable(self, timeout_seconds: float) -> None:
        """Take only the lock, unless there is reason to doubt."""
        if self._damage is not None:
            raise Damaged(self._damage)
        free = shutil.disk_usage(self.path.parent).free
        doubtful = self._writer.failing or free < _LITTLE_SPACE_BYTES

        def prove(connection: Connection) -> None:
            refuse_closed(connection, self.name)
            if doubtful:
                _rewrite_header(connection)

        self.write(prove, timeout_seconds)

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        self._claim_process()
        with self._watched(), self._reading_engine.begin() as connection:
            yield connection

    @contextmanager
    def query(self) -> Iterator[Connection]:
        """Open a connection, and keep it for the next query."""
        self._claim_process()
        try:
            connection = self._query_connections.pop()
        except IndexError:
            connection = self._reading_engine.connect()
        try:
            with self._watched():
                yield connection
        finally:
            # A statement that was not read to its end, or a query that did begin a transaction,
            # would see the same old state from then on, and starve the checkpoints.
            close_cursors(connection)
            connection.rollback()
            self._query_connections.append(connection)

    def clock(self) -> datetime:
        """Return this machine's time: nobody else works on the file."""
        return utc_now()

    def notify(self, event: threading.Event) -> None:
        """Do nothing: SQLite cannot tell. What other processes of this machine wrote is found by
        the poll."""

    def backup(self, target: Path) -> int:
        with self.snapshot() as connection:
            return backup.write(connection, target)

    def integrity_errors(self) -> list[str]:
        with self.snapshot() as connection:
            return backup.integrity_errors(connection)

    def sidecar(self, suffix: str) -> Path:
        return self.path.with_name(self.path.name + suffix)

    def copy_mode_to(self, file: Path) -> None:
        database = self.path.stat()
        with suppress(PermissionError):  # this user may have left the group
            os.chown(file, -1, database.st_gid)
        file.chmod(database.st_mode & 0o660)

    def close(self) -> None:
        # Whoever closes the last connection checkpoints: readers first, the writer under its lock.
        while self._query_connections:
            self._query_connections.pop().close()
        self._reading_engine.dispose()
        self._writer.close(_CLOSE_TIMEOUT_SECONDS)
