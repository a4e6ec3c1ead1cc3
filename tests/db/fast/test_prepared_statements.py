"""Each prepared statement of ours does what `Connection.execute` does with it."""

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from golden import statements
from postgres_server import PostgresServer
from rows_to_find import asked, fill
from sqlalchemy import Connection, select
from sqlalchemy.exc import DBAPIError

from attendance.db import Database, Prepared, SqliteDatabase

pytestmark = pytest.mark.both_databases

STATEMENTS = statements()
OF_POSTGRES_ALONE = {
    "attendance.db.locking._lock",
    "attendance.db.locking._try_lock",
    "attendance.db.planning._keep",
    "attendance.outbox.lanes._lock_these",
    "attendance.outbox.lanes._locked_due_heads",
    "attendance.outbox.lanes._locked_due_parked_heads",
}
Values = Mapping[str, Any]
Run = Callable[[Connection, Prepared, Values], object]


class _Undone(Exception):
    """Ends a transaction so that it leaves nothing behind."""


def prepared(connection: Connection, statement: Prepared, values: Values) -> object:
    if _reads(statement):
        rows = statement.all(connection, values)
        assert statement.first(connection, values) == (rows[0] if rows else None)
        return [(row._fields, tuple(row)) for row in rows]
    return _changed(statement(connection, values), connection, statement)


def executed(connection: Connection, statement: Prepared, values: Values) -> object:
    result = connection.execute(statement._statement, values)
    if _reads(statement):
        return [(row._fields, tuple(row)) for row in result]
    return _changed(result, connection, statement)


def _reads(statement: Prepared) -> bool:
    return bool(statement._statement.is_select)


def _changed(result: Any, connection: Connection, statement: Prepared) -> object:
    """How many rows, and what the table has then: all but the numbers of new rows, of which
    PostgreSQL uses none twice. (Of an insert SQLAlchemy does not tell how many.)"""
    inserts, table = statement._statement.is_insert, statement._statement.table
    columns = [one for one in table.columns if not (inserts and one is _number(statement))]
    rows = sorted(map(repr, connection.execute(select(*columns))))
    return len(rows) if inserts else result.rowcount, rows


def _number(statement: Prepared) -> Any:
    """The column in which the database itself numbers the rows."""
    return statement._statement.table.autoincrement_column


def outcome(database: Database, run: Run, name: str, **changed: Any) -> object:
    """What a statement answers, or which error is raised; nothing of it stays."""
    statement, found = STATEMENTS[name], []
    values = {**asked(name, _required(statement)), **changed}

    def work(connection: Connection) -> None:
        try:
            found.append(run(connection, statement, values))
        except DBAPIError as error:
            found.append((type(error), type(error.orig), str(error.orig).splitlines()[0]))
        raise _Undone

    with pytest.raises(_Undone):
        database.write(work)
    return found[-1]


def _required(statement: Prepared) -> set[str]:
    compiled = statement._statement.compile(column_keys=statement._columns or None)
    return {name for name, bind in compiled.binds.items() if bind.required}


def test_it_finds_and_changes_the_same(database: Database) -> None:
    database.write(fill)
    for name in STATEMENTS:
        plain, quick = outcome(database, executed, name), outcome(database, prepared, name)
        assert quick == plain, name
        fails = isinstance(plain, tuple) and isinstance(plain[0], type)
        assert fails is (isinstance(database, SqliteDatabase) and name in OF_POSTGRES_ALONE), plain
        assert fails or plain not in ([], (0, [])), f"{name} is shown nothing to find"


def test_a_new_row_has_the_number_that_is_told(database: Database) -> None:
    database.write(fill)
    for name, statement in STATEMENTS.items():
        if not statement._statement.is_insert or _number(statement) is None:
            continue

        def work(connection: Connection, name: str = name, statement: Prepared = statement) -> None:
            values = asked(name, _required(statement))
            made = statement.inserted(connection, values)
            numbers = connection.execute(select(_number(statement)))
            assert made == max(numbers.scalars()), name

        database.write(work)


@pytest.fixture
def empty(request: pytest.FixtureRequest, database: Database, tmp_path: Path) -> Iterator[Database]:
    """A database of the same kind in which no table is."""
    if isinstance(database, SqliteDatabase):
        path = tmp_path / "empty.db"
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("CREATE TABLE other (id INTEGER)")
        with closing(Database.at(f"sqlite:///{path}")) as opened:
            yield opened
        return
    postgres: PostgresServer = request.getfixturevalue("postgres")
    with postgres.fresh() as url, closing(Database.at(url)) as opened:
        yield opened


def test_it_fails_the_same_where_there_is_no_table(empty: Database) -> None:
    for name in STATEMENTS:
        plain, quick = outcome(empty, executed, name), outcome(empty, prepared, name)
        assert quick == plain, name
        if not name.startswith("attendance.db"):
            assert issubclass(plain[0], DBAPIError), name  # type: ignore[index]


@pytest.mark.parametrize(
    ("name", "changed"),
    [
        ("attendance.records.recording._insert", {"event": "dance"}),
        ("attendance.records.recording._insert", {"person_id": None}),
        ("attendance.records.idempotency._insert", {"key": "k"}),
        ("attendance.audit.trail._insert", {"action": None}),
        ("attendance.outbox.queue._insert_message", {"status": "sending"}),
        ("attendance.outbox.settlement._insert_attempt", {"outbox_id": 99}),
        ("attendance.outbox.settlement._change_one", {"becomes": "pending"}),
        ("attendance.outbox.claim._take_one", {"message": 2}),
    ],
)
def test_what_the_database_refuses_is_refused_the_same(
    database: Database, name: str, changed: Values
) -> None:
    database.write(fill)
    plain = outcome(database, executed, name, **changed)

    assert outcome(database, prepared, name, **changed) == plain
    assert plain[0].__name__ == "IntegrityError"  # type: ignore[index]
