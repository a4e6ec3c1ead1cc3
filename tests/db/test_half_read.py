"""A statement that was not read to its end must not hold back whoever writes or reads later."""

import sqlite3
from contextlib import closing

import pytest
from notes import add, make_notes, notes
from sqlalchemy import Connection, column, select, table
from sqlalchemy.types import String, TypeDecorator

from attendance.db import Prepared, SqliteDatabase, Unavailable
from attendance.db.sqlite.engines import driver_connection

pytestmark = pytest.mark.slow


class _Refused(TypeDecorator[str]):
    """A type that cannot read what is stored, as UtcTime cannot read what is no time."""

    impl = String
    cache_ok = True

    def process_result_value(self, *_: object) -> str | None:
        raise ValueError("a row that cannot be read")


_unreadable = Prepared(select(column("text", _Refused())).select_from(table("note")))


@pytest.fixture(autouse=True)
def note_table(database: SqliteDatabase) -> None:
    make_notes(database.path)


def test_a_row_that_cannot_be_read_does_not_stop_the_writer(database: SqliteDatabase) -> None:
    for number in range(500):
        database.write(add(f"{number:04}"))

    def work(connection: Connection) -> None:
        _unreadable.all(connection, {})

    with pytest.raises(ValueError, match="cannot be read"):
        database.write(work)
    with closing(sqlite3.connect(database.path)) as another, another:
        another.execute("INSERT INTO note VALUES ('from another process')")
    database.write(add("next"), timeout_seconds=5)
    assert "next" in notes(database.path)


def test_a_statement_that_stays_half_read_costs_one_group_and_not_the_turnstile(
    database: SqliteDatabase,
) -> None:
    for number in range(500):
        database.write(add(f"{number:04}"))
    kept: list[sqlite3.Cursor] = []

    def work(connection: Connection) -> None:
        kept.append(driver_connection(connection).execute("SELECT text FROM note"))

    database.write(work)
    database.write(add("in the same process"))  # the control: nobody else wrote meanwhile
    with closing(sqlite3.connect(database.path)) as another, another:
        another.execute("INSERT INTO note VALUES ('from another process')")
    with pytest.raises(Unavailable):
        database.write(add("refused"), timeout_seconds=5)
    assert database.write(add("next"), timeout_seconds=5) == "next"
    assert "refused" not in notes(database.path)
