"""How transactions begin, what they see, and that savepoints are savepoints."""

import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest
from notes import add, make_notes, notes, processes, statements
from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from attendance.db import SqliteDatabase

ROUNDS = 60


@pytest.fixture(autouse=True)
def note_table(database: SqliteDatabase) -> None:
    make_notes(database.path)


def count_up(path: Path) -> None:
    """Read, then write what follows from it, over and over."""
    database = SqliteDatabase(path)

    def work(connection: Connection) -> None:
        [count] = connection.exec_driver_sql("SELECT count(*) FROM note").one()
        add(f"{count:04}")(connection)

    for _ in range(ROUNDS):
        database.write(work)
    database.close()


@pytest.mark.slow
def test_read_then_write_in_two_processes_never_fails_nor_loses_a_count(
    database: SqliteDatabase,
) -> None:
    """TRAP 4."""
    with processes(2) as pool:
        for future in [pool.submit(count_up, database.path) for _ in range(2)]:
            future.result()
    assert len(notes(database.path)) == 2 * ROUNDS


def test_a_deferred_transaction_fails_at_once_whatever_its_timeout(
    database: SqliteDatabase,
) -> None:
    """The control of TRAP 4."""
    with (
        closing(sqlite3.connect(database.path, timeout=60, isolation_level=None)) as deferred,
        closing(sqlite3.connect(database.path, isolation_level=None)) as other,
    ):
        deferred.execute("BEGIN")
        deferred.execute("SELECT count(*) FROM note").fetchall()
        other.execute("INSERT INTO note VALUES ('other')")
        started = time.monotonic()
        with pytest.raises(sqlite3.OperationalError) as raised:
            deferred.execute("INSERT INTO note VALUES ('mine')")
        assert raised.value.sqlite_errorcode == sqlite3.SQLITE_BUSY_SNAPSHOT
        assert time.monotonic() - started < 30


def test_every_write_begins_immediate(database: SqliteDatabase) -> None:
    seen = statements(database)
    database.write(add("a"))
    assert [statement for statement in seen if statement.startswith("BEGIN")] == ["BEGIN IMMEDIATE"]


def test_savepoints_nest_in_a_unit_of_work(database: SqliteDatabase) -> None:
    """TRAP 5."""

    def work(connection: Connection) -> None:
        add("outer")(connection)
        with connection.begin_nested():
            add("kept")(connection)
            inner = connection.begin_nested()
            add("undone")(connection)
            inner.rollback()

    database.write(work)
    assert notes(database.path) == ["kept", "outer"]


def test_a_unit_that_fails_undoes_the_savepoints_that_it_released(database: SqliteDatabase) -> None:
    def work(connection: Connection) -> None:
        with connection.begin_nested():
            add("released")(connection)
        raise LookupError

    with pytest.raises(LookupError):
        database.write(work)
    assert notes(database.path) == []


def test_the_driver_alone_would_commit_a_released_savepoint(database: SqliteDatabase) -> None:
    """The control of TRAP 5: in its own mode pysqlite begins nothing for a SAVEPOINT."""
    with closing(sqlite3.connect(database.path)) as connection:
        connection.execute("SAVEPOINT unit")
        connection.execute("INSERT INTO note VALUES ('released')")
        connection.execute("RELEASE unit")
        connection.rollback()
    assert notes(database.path) == ["released"]


def test_what_reads_cannot_write(database: SqliteDatabase) -> None:
    with (
        pytest.raises(OperationalError, match="readonly"),
        database.snapshot() as connection,
    ):
        add("a")(connection)
    assert notes(database.path) == []


def test_a_reader_sees_one_state_of_the_database(database: SqliteDatabase) -> None:
    count = "SELECT count(*) FROM note"
    with database.snapshot() as connection:
        before = connection.exec_driver_sql(count).scalar_one()
        database.write(add("meanwhile"))
        after = connection.exec_driver_sql(count).scalar_one()
    assert (before, after) == (0, 0)
    with database.snapshot() as connection:
        assert connection.exec_driver_sql(count).scalar_one() == 1


def test_readers_do_not_wait_for_a_writer(database: SqliteDatabase) -> None:
    seen: list[int] = []

    def work(connection: Connection) -> None:
        add("not yet")(connection)
        with database.snapshot() as reading:
            seen.append(reading.exec_driver_sql("SELECT count(*) FROM note").scalar_one())

    database.write(work)
    assert seen == [0]


def test_foreign_keys_are_enforced_where_we_write(database: SqliteDatabase) -> None:
    orphan = (
        "INSERT INTO outbox_attempt (outbox_id, number, token, claimed_by, started_at, ended_at, "
        "outcome) VALUES (999, 1, 't', 'me', '', '', 'sent')"
    )
    with pytest.raises(Exception, match="FOREIGN KEY"):
        database.write(lambda connection: connection.exec_driver_sql(orphan).rowcount)
