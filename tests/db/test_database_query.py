"""Looks through connections that are kept: fresh each time, and in nobody's way."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress

import pytest
from notes import add, make_notes
from sqlalchemy import Connection, bindparam, column, select, table

from attendance.db import Prepared, SqliteDatabase

_notes = table("note", column("text"))
_all = Prepared(select(_notes.c.text).order_by(_notes.c.text))
_one = Prepared(select(_notes.c.text).where(_notes.c.text == bindparam("text")))


@pytest.fixture(autouse=True)
def note_table(database: SqliteDatabase) -> None:
    make_notes(database.path)


@pytest.fixture
def kept_alive() -> Iterator[list[object]]:
    """As a traceback would keep it."""
    kept: list[object] = []
    yield kept
    kept.clear()


def texts(database: SqliteDatabase) -> list[str]:
    with database.query() as connection:
        return [row.text for row in _all.all(connection, {})]


def half_read(connection: Connection) -> object:
    result = connection.execute(select(_notes.c.text))
    result.fetchone()
    return result


def log_can_be_cut(database: SqliteDatabase) -> bool:
    """Whether no reader needs the log: one that does keeps it from being used anew."""
    with closing(sqlite3.connect(database.path, timeout=0)) as stranger:
        busy, _, _ = stranger.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    return not busy


def test_a_kept_connection_sees_what_was_committed_since(database: SqliteDatabase) -> None:
    for text in ("a", "b", "c"):
        database.write(add(text))
        assert texts(database)[-1] == text
    assert len(database._query_connections) == 1


def test_two_looks_at_once_have_a_connection_each(database: SqliteDatabase) -> None:
    with database.query() as one, database.query() as other:
        assert one is not other
    assert len(database._query_connections) == 2


@pytest.mark.slow
def test_a_look_ends_the_statement_that_it_did_not_read_to_its_end(
    database: SqliteDatabase, kept_alive: list[object]
) -> None:
    for number in range(500):
        database.write(add(f"{number:04}"))
    with database.query() as connection:
        kept_alive.append(half_read(connection))
        assert not log_can_be_cut(database)  # the control: as long as it reads
    assert log_can_be_cut(database)


def test_a_look_with_an_ordinary_query_leaves_no_transaction_open(database: SqliteDatabase) -> None:
    database.write(add("a"))
    with database.query() as connection:
        assert connection.execute(select(_notes.c.text)).all() == [("a",)]
    database.write(add("b"))
    assert texts(database) == ["a", "b"]
    assert log_can_be_cut(database)


@pytest.mark.slow
def test_a_look_that_fails_leaves_nothing_open(
    database: SqliteDatabase, kept_alive: list[object]
) -> None:
    for number in range(500):
        database.write(add(f"{number:04}"))
    with suppress(LookupError), database.query() as connection:
        kept_alive.append(half_read(connection))
        raise LookupError
    database.write(add("later"))
    assert log_can_be_cut(database)
    with database.query() as connection:
        assert _one.first(connection, {"text": "later"}) is not None


def test_a_look_after_a_fork_is_refused(database: SqliteDatabase) -> None:
    """TRAP 3: its connections are the parent's."""
    texts(database)
    child = os.fork()
    if child == 0:
        try:
            texts(database)
        except RuntimeError:
            os._exit(0)
        os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
