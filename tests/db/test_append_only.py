"""Ids that are never given twice, and a trail that refuses to be changed."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from attendance.audit import ANONYMOUS, Context, append
from attendance.audit.sealer import Sealer
from attendance.db import SqliteDatabase, utc_now

CHANGES = [
    "UPDATE audit SET outcome = 'failure'",
    "UPDATE audit SET id = id + 100",
    "DELETE FROM audit",
    "INSERT OR REPLACE INTO audit SELECT * FROM audit",
    "REPLACE INTO audit SELECT * FROM audit",
    "INSERT INTO audit SELECT * FROM audit WHERE true ON CONFLICT (id) DO UPDATE SET outcome = 'x'",
]


@pytest.fixture(autouse=True)
def one_entry(database: SqliteDatabase) -> None:
    database.write(lambda c: append(c, utc_now(), Context(ANONYMOUS), "test.happened"))


@pytest.fixture(params=["ON", "OFF"])
def stranger(
    database: SqliteDatabase, request: pytest.FixtureRequest
) -> Iterator[sqlite3.Connection]:
    """Plain sqlite3, with triggers that recurse and, as is its default, with none."""
    with closing(sqlite3.connect(database.path, isolation_level=None)) as connection:
        connection.execute(f"PRAGMA recursive_triggers={request.param}")
        yield connection


@pytest.mark.parametrize("change", CHANGES)
def test_a_stranger_cannot_change_the_trail(stranger: sqlite3.Connection, change: str) -> None:
    before = stranger.execute("SELECT * FROM audit").fetchall()
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        stranger.execute(change)
    assert stranger.execute("SELECT * FROM audit").fetchall() == before


@pytest.mark.parametrize("change", CHANGES)
def test_the_service_cannot_change_the_trail(database: SqliteDatabase, change: str) -> None:
    with pytest.raises(IntegrityError, match="append-only"):
        database.write(lambda connection: connection.exec_driver_sql(change).rowcount)


SEALED = [
    "UPDATE audit_leaf SET hash = hash",
    "UPDATE audit_seal SET hash = hash",
    "DELETE FROM audit_leaf",
    "DELETE FROM audit_seal",
    "REPLACE INTO audit_leaf SELECT * FROM audit_leaf",
    "REPLACE INTO audit_leaf SELECT seq + 1, audit_id, hash FROM audit_leaf",
    "REPLACE INTO audit_seal SELECT * FROM audit_seal",
    "REPLACE INTO audit_seal SELECT 2, '', 2, 2, 0, '', prev_hash, '', '', '' FROM audit_seal",
]


@pytest.mark.parametrize("change", SEALED)
def test_nor_can_a_stranger_change_the_seals(
    database: SqliteDatabase, stranger: sqlite3.Connection, change: str
) -> None:
    Sealer(database, utc_now, None).finish()
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        stranger.execute(change)


CORRECTED = [
    "UPDATE correction SET reason = 'another'",
    "DELETE FROM correction",
    "REPLACE INTO correction SELECT * FROM correction",
    "REPLACE INTO correction SELECT 2, replaced_by, '', '', 1, '' FROM correction",
]


@pytest.mark.parametrize("change", CORRECTED)
def test_nor_can_a_stranger_change_a_correction(stranger: sqlite3.Connection, change: str) -> None:
    stranger.execute("INSERT INTO correction VALUES (1, 3, 'why', '', 1, 'r')")
    with pytest.raises(sqlite3.IntegrityError, match="correction is append-only"):
        stranger.execute(change)
    assert stranger.execute("SELECT * FROM correction").fetchall() == [(1, 3, "why", "", 1, "r")]


def test_a_refused_change_ends_no_transaction(stranger: sqlite3.Connection) -> None:
    stranger.execute("BEGIN IMMEDIATE")
    with pytest.raises(sqlite3.IntegrityError):
        stranger.execute("DELETE FROM audit")
    assert stranger.in_transaction
    stranger.execute("ROLLBACK")


def test_replacing_would_pass_without_the_guard_on_insert(database: SqliteDatabase) -> None:
    """The control, TRAP 6: where triggers do not recurse, REPLACE deletes past them."""
    with closing(sqlite3.connect(database.path, isolation_level=None)) as connection:
        connection.execute("BEGIN")
        connection.execute("DROP TRIGGER audit_no_replace")
        connection.execute(CHANGES[3])
        connection.execute("ROLLBACK")


@pytest.mark.parametrize(
    "table", ["api_key", "attendance", "audit", "outbox", "outbox_attempt", "outbox_stoppage"]
)
def test_ids_are_kept_count_of(database: SqliteDatabase, table: str) -> None:
    with database.snapshot() as connection:
        made = connection.scalar(
            text("SELECT sql FROM sqlite_schema WHERE name = :name"), {"name": table}
        )
    assert "AUTOINCREMENT" in str(made)


def test_an_id_is_not_given_again_after_its_row_is_gone(database: SqliteDatabase) -> None:
    """TRAP 7."""
    assert _insert_delete_insert(database, "outbox_stoppage") == (1, 2)


def test_without_autoincrement_it_is(database: SqliteDatabase) -> None:
    """The control."""
    with closing(sqlite3.connect(database.path)) as connection:
        connection.execute("CREATE TABLE plain AS SELECT * FROM outbox_stoppage")
        connection.execute("DROP TABLE plain")
        connection.execute("CREATE TABLE plain (id INTEGER PRIMARY KEY, reason, started_at)")
    assert _insert_delete_insert(database, "plain") == (1, 1)


def _insert_delete_insert(database: SqliteDatabase, table: str) -> tuple[int | None, int | None]:
    insert = f"INSERT INTO {table} (reason, started_at) VALUES ('unconfigured', '')"  # noqa: S608 - a name of ours
    with closing(sqlite3.connect(database.path)) as connection:
        first = connection.execute(insert).lastrowid
        connection.execute(f"DELETE FROM {table}")  # noqa: S608 - a name of ours
        second = connection.execute(insert).lastrowid
        connection.commit()
    return first, second
