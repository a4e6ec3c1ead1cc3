"""The schema's versions: made, made once, made whole or not at all."""

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from alembic.operations import Operations
from notes import processes
from postgres_server import PostgresServer
from sqlalchemy import (
    CheckConstraint,
    Constraint,
    Engine,
    ForeignKeyConstraint,
    PrimaryKeyConstraint,
    Table,
    UniqueConstraint,
    create_engine,
)

from attendance.db import BadDatabaseUrl, Base, Database, NoDatabase, SqliteDatabase, schema
from attendance.db.sqlite.engines import writing_engine
from attendance.relocation import tables as every_table  # noqa: F401 - all are compared

ROOT = Path(__file__).parents[2]
TABLES = list(Base.metadata.tables.values())


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/attendance.db"


def definitions(path: Path) -> list[tuple[str, str, str | None]]:
    """All that the file defines, as SQLite keeps it."""
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(
            "SELECT type, name, sql FROM sqlite_schema ORDER BY type, name"
        ).fetchall()


def tables(path: Path) -> set[str]:
    ours = {name for kind, name, _ in definitions(path) if kind == "table"}
    return {name for name in ours if not name.startswith("sqlite_")}


def migrate(engine: Engine, command: Callable[[Config, str], None], revision: str) -> None:
    config = schema._config()
    try:
        with engine.begin() as connection:
            config.attributes["connection"] = connection
            command(config, revision)
    finally:
        engine.dispose()


@pytest.mark.slow
def test_an_empty_place_becomes_a_database_of_this_version(url: str, tmp_path: Path) -> None:
    assert schema.upgrade(url) == (None, schema.head_revision())
    assert tables(tmp_path / "attendance.db") == {*Base.metadata.tables, "alembic_version"}


@pytest.mark.slow
def test_a_second_time_there_is_nothing_to_do(url: str, tmp_path: Path) -> None:
    schema.upgrade(url)
    before = definitions(tmp_path / "attendance.db")
    assert schema.upgrade(url) == (schema.head_revision(), schema.head_revision())
    assert definitions(tmp_path / "attendance.db") == before


@pytest.mark.slow
def test_four_that_start_at_once_upgrade_once(url: str) -> None:
    with processes(4) as pool:
        befores = [pool.submit(schema.upgrade, url) for _ in range(4)]
        found = [before.result()[0] for before in befores]
    assert sorted(found, key=str) == [*[schema.head_revision()] * 3, None]


def test_the_models_and_the_migrations_agree(database: Database) -> None:
    with database.snapshot() as connection:
        assert schema.differences(connection) == []


@pytest.mark.slow
def test_a_difference_would_be_seen(database: Database) -> None:
    """The control."""
    database.write(lambda c: c.exec_driver_sql("ALTER TABLE chat ADD COLUMN x").rowcount)
    database.write(lambda c: c.exec_driver_sql("DROP INDEX ix_audit_target").rowcount)
    with database.snapshot() as connection:
        assert len(schema.differences(connection)) == 2


def set_revision(database: Database, revision: str) -> None:
    update = "UPDATE alembic_version SET version_num = ?"
    database.write(lambda c: c.exec_driver_sql(update, (revision,)).rowcount)


def test_an_older_shape_is_refused_with_a_sentence(database: Database) -> None:
    schema.require_current(database)
    set_revision(database, "0001")
    with pytest.raises(NoDatabase, match=r"older version: run `manage.py db upgrade`"):
        schema.require_current(database)


def test_a_newer_shape_is_not(database: Database) -> None:
    set_revision(database, "9999")
    schema.require_current(database)


def test_a_newer_shape_is_no_hindrance_to_an_upgrade_and_stays(database: Database) -> None:
    """An older version starts beside a newer one, or in its place."""
    set_revision(database, "9999")
    before = definitions(database.sidecar(""))
    assert schema.upgrade(f"sqlite:///{database.name}") == ("9999", "9999")
    assert definitions(database.sidecar("")) == before


def test_an_empty_file_is_refused_with_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "attendance.db"
    path.touch()
    database = SqliteDatabase(path)
    with pytest.raises(NoDatabase, match=r"nothing yet: run `manage.py db upgrade`"):
        schema.require_current(database)
    database.close()


@pytest.mark.slow
def test_the_way_down_leads_up_again(url: str, tmp_path: Path) -> None:
    path = tmp_path / "attendance.db"
    schema.upgrade(url)
    before = definitions(path)
    migrate(writing_engine(path), command.downgrade, "base")
    assert tables(path) == {"alembic_version"}
    schema.upgrade(url)
    assert definitions(path) == before


@pytest.mark.slow
def test_an_upgrade_finds_out_what_waits_already(url: str, tmp_path: Path) -> None:
    path = tmp_path / "attendance.db"
    schema.upgrade(url)
    migrate(writing_engine(path), command.downgrade, "0004")
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("INSERT INTO chat (chat_id, created_at) VALUES ('1', 'A'), ('2', 'A')")
        connection.execute(
            "INSERT INTO outbox (status, chat_id, lane, text, subject_type, created_at, due_at, "
            "give_up_from, attempts, uncertain_attempts) "
            "VALUES ('pending', '1', '1', 'hello', 'attendance', 'B', 'B', 'B', 0, 0)"
        )
    schema.upgrade(url)
    with closing(sqlite3.connect(path)) as connection:
        ready = connection.execute("SELECT chat_id, ready_at FROM chat ORDER BY chat_id")
        assert ready.fetchall() == [("1", "B"), ("2", None)]


@contextmanager
def failing_at(table: str) -> Iterator[None]:
    """The migrations come as far as this table, and not beyond."""
    create = Operations.create_table

    def fail(self: Operations, name: str, *rest: Any, **options: Any) -> Any:
        if name == table:
            raise LookupError(name)
        return create(self, name, *rest, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Operations, "create_table", fail)
        yield


@pytest.mark.slow
def test_a_migration_that_fails_leaves_nothing(url: str, tmp_path: Path) -> None:
    with failing_at("audit"), pytest.raises(LookupError):
        schema.upgrade(url)
    assert definitions(tmp_path / "attendance.db") == []
    assert schema.upgrade(url) == (None, schema.head_revision())


def test_with_the_drivers_own_transactions_it_would_leave_a_half(url: str, tmp_path: Path) -> None:
    """The control: pysqlite begins nothing for DDL, so each statement commits by itself."""
    engine = create_engine(url)
    with failing_at("audit"), pytest.raises(LookupError):
        migrate(engine, command.upgrade, "head")
    assert "attendance" in tables(tmp_path / "attendance.db")


def _names(table: Table) -> list[tuple[Constraint, str]]:
    return [(found, str(found.name)) for found in table.constraints]


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_every_constraint_has_its_conventional_name(table: Table) -> None:
    for found, name in _names(table):
        assert name.startswith(_prefix(found, table.name)), name


def _prefix(constraint: Constraint, table: str) -> str:
    kinds = {
        PrimaryKeyConstraint: f"pk_{table}",
        ForeignKeyConstraint: f"fk_{table}_",
        UniqueConstraint: f"uq_{table}_",
        CheckConstraint: f"ck_{table}_",
    }
    return kinds[type(constraint)]


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_every_constraint_is_in_the_database_by_its_name(database: Database, table: Table) -> None:
    made = {name: str(sql) for _, name, sql in definitions(database.sidecar(""))}
    for found, name in _names(table):
        # SQLite counts ids only for a primary key that stands in its column, without a name.
        if not (isinstance(found, PrimaryKeyConstraint) and "AUTOINCREMENT" in made[table.name]):
            assert f"CONSTRAINT {name} " in made[table.name]


def test_a_server_s_schema_may_hold_an_extension_s_tables_beside_ours(
    postgres: PostgresServer,
) -> None:
    with postgres.fresh() as url:
        make_tables(url, "CREATE TABLE spatial_ref_sys (srid integer)")
        assert schema.upgrade(url)[0] is None
        assert schema.upgrade(url)[0] == schema.head_revision()


@pytest.mark.parametrize(
    "tables",
    [
        "CREATE TABLE attendance (pupil text)",
        "CREATE TABLE outbox (mail text)",
        "CREATE TABLE alembic_version AS SELECT '1975' AS version_num",
    ],
    ids=["attendance", "outbox", "Alembic"],
)
def test_a_server_s_schema_that_takes_our_names_is_refused(
    postgres: PostgresServer, tables: str
) -> None:
    with postgres.fresh() as url:
        make_tables(url, tables)
        with pytest.raises(BadDatabaseUrl, match="the tables of another program"):
            schema.upgrade(url)


def make_tables(url: str, statements: str) -> None:
    engine = create_engine(url)
    try:
        with engine.begin() as connection:
            connection.exec_driver_sql(statements)
    finally:
        engine.dispose()


def test_alembic_s_own_command_knows_every_table(tmp_path: Path) -> None:
    """A model that it did not know, `revision --autogenerate` would have dropped."""
    url = f"sqlite:///{tmp_path}/attendance.db"
    schema.upgrade(url)
    done = subprocess.run(
        [sys.executable, "-m", "alembic", "check"],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": url},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "No new upgrade operations detected" in done.stdout + done.stderr
