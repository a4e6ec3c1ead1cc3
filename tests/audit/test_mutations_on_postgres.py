"""The same on a server: whatever its owner changes in a sealed trail is found and named, by
`verify` and, from a copy of the three tables, by the verifier that shares no line with it.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
import verifier
from mutants import BATCHES, NAMED, PLACES, REBUILT, ROWS, STRUCTURE, USUAL, Mutant, script, update
from postgres_server import PostgresServer
from psycopg.types.datetime import TimestamptzLoader
from trails import KEY, Trail

from attendance.audit import seals, triggers
from attendance.audit.checkpoint import Checkpoint
from attendance.audit.verify import Scope, verify
from attendance.db import Database, format_utc

COLUMNS = """SELECT column_name, data_type, is_nullable = 'YES' FROM information_schema.columns
    WHERE table_schema = 'public' AND table_name = ? ORDER BY ordinal_position"""
LIFT = [
    *(f"ALTER TABLE {table} DISABLE TRIGGER USER" for table in triggers.TABLES),
    "ALTER TABLE audit_seal DROP CONSTRAINT uq_audit_seal_prev_hash",
    "ALTER TABLE audit_seal DROP CONSTRAINT ck_audit_seal_not_empty",
    *(f"CREATE TABLE kept_{table} AS TABLE {table}" for table in triggers.TABLES),
]
RESTORE = [
    f"DELETE FROM {table}; INSERT INTO {table} TABLE kept_{table}"  # noqa: S608
    for table in triggers.TABLES
]
SERVER_ONLY: list[Mutant] = [
    (
        "a fork beside the chain",
        "fork",
        script(
            "INSERT INTO audit_seal SELECT 5, sealed_at, first_seq, last_seq, backlog, root,"
            " prev_hash, hash, key_id, mac FROM audit_seal WHERE id = 4"
        ),
    ),
]


class AsText(TimestamptzLoader):
    """A time as FORMAT.md has it; one that only the server knows as it writes it."""

    def load(self, data: Any) -> Any:
        try:
            return format_utc(super().load(data))
        except psycopg.DataError:
            return bytes(data).decode()


class Owner:
    """Who owns the tables and has lifted what guards them; `execute` takes a `?` for each value."""

    def __init__(self, connection: "psycopg.Connection[Any]") -> None:
        connection.adapters.register_loader("timestamptz", AsText)
        self._connection = connection
        for statement in LIFT:
            self.execute(statement)
        connection.commit()

    def execute(self, statement: str, values: Any = ()) -> "psycopg.Cursor[Any]":
        return self._connection.execute(statement.replace("?", "%s"), values or None)

    def changed(self, mutant: Mutant) -> bool:
        """Do it; False where the column has that value already."""
        done = mutant[2](self)
        self._connection.commit()
        return not isinstance(done, psycopg.Cursor) or done.rowcount > 0

    def restore(self) -> None:
        for statement in RESTORE:
            self.execute(statement)
        self._connection.commit()

    def copy(self, path: Path) -> Path:
        """The three tables in a file, as an auditor would take them home."""
        path.unlink(missing_ok=True)
        with closing(sqlite3.connect(path)) as file, file:
            for table in triggers.TABLES:
                cursor = self.execute(f"SELECT * FROM {table}")  # noqa: S608
                names = [column.name for column in cursor.description or ()]
                file.execute(f"CREATE TABLE {table} ({', '.join(names)})")
                places = ", ".join("?" * len(names))
                file.executemany(f"INSERT INTO {table} VALUES ({places})", cursor)  # noqa: S608
        self._connection.commit()
        return path


@pytest.fixture
def trail(postgres_url: str) -> Iterator[Trail]:
    database = Database.at(postgres_url)
    yield Trail(database).grow(*BATCHES)
    database.close()


@pytest.fixture
def owner(trail: Trail, postgres: PostgresServer) -> Iterator[Owner]:
    with postgres.stranger(trail.database.name.split()[0]) as connection:
        yield Owner(connection)


@pytest.fixture
def anchor(trail: Trail) -> Checkpoint:
    with trail.database.snapshot() as connection:
        head = seals.head(connection)
    assert head is not None
    return Checkpoint.of(head, "host")


def column_mutants(owner: Owner) -> Iterator[Mutant]:
    for table, (key, places) in PLACES.items():
        for column, kind, may_be_null in owner.execute(COLUMNS, (table,)).fetchall():
            name = NAMED.get((table, column), USUAL[table])
            values = [*values_for(column, kind), *["NULL"] * may_be_null]
            for place, value in ((place, value) for place in places for value in values):
                what = f"{table}.{column} = {value} where {key} is {place}"
                where = f"{key} = {place} AND {column} IS DISTINCT FROM {value}"
                yield what, name, update(table, column, value, where)


def values_for(column: str, kind: str) -> list[str]:
    if kind == "bigint":
        return [f"{column} + 1000" if column in {"id", "seq", "audit_id"} else f"{column} + 1"]
    if kind == "timestamp with time zone":
        return [f"{column} + interval '1 microsecond'", "'-infinity'"]
    return [f"'x' || substr(coalesce({column}, ''), 2)", "''", "'1'"]


def test_every_mutant_is_found_and_named(
    trail: Trail, owner: Owner, anchor: Checkpoint, tmp_path: Path
) -> None:
    killed, made = 0, 0
    survivors: list[str] = []
    mutants = [*column_mutants(owner), *STRUCTURE, *SERVER_ONLY, *REBUILT]
    for mutant in mutants:
        if owner.changed(mutant):
            made += 1
            found = findings(trail, owner.copy(tmp_path / "copy.db"), anchor)
            if all(mutant[1] in names for names in found):
                killed += 1
            else:
                survivors.append(f"{mutant[0]}: {mutant[1]} is not in both of {found}")
        owner.restore()

    print(f"\n{killed} of {made} mutants are found and named on PostgreSQL")
    assert findings(trail, owner.copy(tmp_path / "copy.db"), anchor) == [[], []]
    assert survivors == []
    assert made > 150


def findings(trail: Trail, copy: Path, anchor: Checkpoint) -> list[list[str]]:
    """What both verifiers say. What is no hash stops the short one, which is an answer, too."""
    report = verify(trail.database, Scope(key=KEY, anchors=[anchor]))
    ours: list[str] = sorted(report.counts)
    try:
        return [ours, verifier.verify(copy, KEY.reveal().encode(), str(anchor))]
    except ValueError:
        return [ours]


def test_an_untouched_trail_passes(
    trail: Trail, owner: Owner, anchor: Checkpoint, tmp_path: Path
) -> None:
    assert findings(trail, owner.copy(tmp_path / "copy.db"), anchor) == [[], []]
    report = verify(trail.database, Scope(key=KEY))
    assert (report.rows, report.seals, report.macs_checked) == (ROWS, len(BATCHES), len(BATCHES))
