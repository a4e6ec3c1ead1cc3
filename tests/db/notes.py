"""A table to write to, ways to be in its way, and a look at the file from outside."""

import multiprocessing
import sqlite3
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, event

from attendance.db import SqliteDatabase
from attendance.db.sqlite.engines import driver_connection
from attendance.db.sqlite.turnstile import Turnstile

PATIENCE_SECONDS = 30.0


def make_notes(path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("CREATE TABLE note (text TEXT PRIMARY KEY)")


def add(text: str) -> Callable[[Connection], str]:
    """A unit of work that writes one note and answers its text."""

    def work(connection: Connection) -> str:
        connection.exec_driver_sql("INSERT INTO note VALUES (?)", (text,))
        return text

    return work


def notes(path: Path) -> list[str]:
    """What a stranger with plain sqlite3 reads in the file."""
    with closing(sqlite3.connect(path)) as connection:
        return [text for (text,) in connection.execute("SELECT text FROM note ORDER BY text")]


def statements(database: SqliteDatabase) -> list[str]:
    """A list that fills with what the writer's connection executes from now on."""
    seen: list[str] = []

    def listen(connection: sqlite3.Connection, *_: Any) -> None:
        connection.set_trace_callback(seen.append)

    if database._writer._connection is None:
        event.listen(database._writer._engine, "checkout", listen)
    else:
        listen(driver_connection(database._writer._connection))
    return seen


def until(condition: Callable[[], bool]) -> None:
    """Wait until `condition` holds; fails only where it never does."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it never came to pass"
        time.sleep(0.002)


def queued(database: SqliteDatabase) -> int:
    """How many units wait behind the one that the writer has already taken."""
    return database._writer._waiting.qsize()


@contextmanager
def turnstile_held(path: Path) -> Iterator[None]:
    """Another writer's turn, for as long as the block runs."""
    turnstile = Turnstile(path)
    with turnstile:
        yield
    turnstile.close()


@contextmanager
def stranger_writing(path: Path) -> Iterator[sqlite3.Connection]:
    """Somebody with plain sqlite3, who knows no turnstile and holds the write lock."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        yield connection
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def processes(count: int) -> ProcessPoolExecutor:
    """Fresh processes, which share nothing with this one but the files."""
    return ProcessPoolExecutor(count, mp_context=multiprocessing.get_context("spawn"))
