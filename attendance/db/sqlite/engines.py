"""SQLAlchemy engines for one SQLite file: one that writes, one that can only read."""

import sqlite3
from pathlib import Path
from typing import Any, cast
from weakref import WeakSet

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.pool import ConnectionPoolEntry, QueuePool

from attendance.db.forks import keep_from_forks
from attendance.db.sqlite.files import share_side_files

WRITE_BUSY_SECONDS = 1.0
"""How long one attempt at SQLite's write lock waits if a stranger holds it."""

_READ_BUSY_SECONDS = 5.0
# Recursive triggers: else a REPLACE deletes rows without the triggers that refuse a deletion.
# No checkpoint by itself: the writer makes them, in its turn. FULL: each commit is synced.
_PRAGMAS = ("foreign_keys=ON", "recursive_triggers=ON", "wal_autocheckpoint=0", "synchronous=FULL")


class _Connection(sqlite3.Connection):
    """Knows its cursors, so that those which somebody left half read can be closed."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.cursors: WeakSet[sqlite3.Cursor] = WeakSet()

    def cursor(self, *args: Any) -> sqlite3.Cursor:  # type: ignore[override]
        cursor: sqlite3.Cursor = super().cursor(*args)
        self.cursors.add(cursor)
        return cursor


def writing_engine(path: Path) -> Engine:
    """Make an engine whose transactions begin IMMEDIATE: a deferred one that reads and then writes
    fails at once with SQLITE_BUSY_SNAPSHOT, whatever the busy timeout."""
    # WAL is a property of the file; setting it where it is set already takes no lock.
    engine = _engine(path, WRITE_BUSY_SECONDS, ("journal_mode=WAL", *_PRAGMAS), pool_size=1)
    event.listen(engine, "begin", lambda connection: _begin(connection, "BEGIN IMMEDIATE"))
    return engine


def reading_engine(path: Path, pool_size: int) -> Engine:
    """Make an engine whose transactions see one state of the database, and cannot write."""
    pragmas = (*_PRAGMAS, "query_only=ON")
    engine = _engine(path, _READ_BUSY_SECONDS, pragmas, pool_size=pool_size)
    event.listen(engine, "begin", lambda connection: _begin(connection, "BEGIN"))
    return engine


def driver_connection(connection: Connection) -> sqlite3.Connection:
    """Return the driver's own connection, for what SQLAlchemy does not pass on."""
    return cast("sqlite3.Connection", connection.connection.dbapi_connection)


def close_cursors(connection: Connection) -> None:
    """End every statement of SQLAlchemy's that was not read to its end: while one writes (INSERT …
    RETURNING), SQLite refuses to open or release a savepoint and to commit. Cursors that the
    driver's own `execute` makes are not known here: `Prepared` reads those to their end."""
    driver = connection.connection.dbapi_connection
    for cursor in cast("_Connection", driver).cursors:
        cursor.close()


def _begin(connection: Connection, statement: str) -> None:
    driver_connection(connection).execute(statement)


def _engine(path: Path, busy_seconds: float, pragmas: tuple[str, ...], pool_size: int) -> Engine:
    engine = create_engine(
        URL.create("sqlite", database=str(path)),
        poolclass=QueuePool,
        pool_size=pool_size,
        max_overflow=0,
        # No isolation level: the driver begins nothing by itself, the "begin" event does. Not the
        # same thread: the pool hands a connection to one thread after another.
        connect_args={
            "timeout": busy_seconds,
            "isolation_level": None,
            "check_same_thread": False,
            "factory": _Connection,
        },
    )

    @event.listens_for(engine, "connect")
    def prepare(connection: sqlite3.Connection, _: ConnectionPoolEntry) -> None:
        try:
            for pragma in pragmas:
                connection.execute(f"PRAGMA {pragma}").fetchall()
            connection.execute("PRAGMA schema_version").fetchall()  # a read makes the side files
            share_side_files(path)
        except (sqlite3.Error, OSError):
            connection.close()
            raise

    return keep_from_forks(engine)
