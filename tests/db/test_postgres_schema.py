"""The migrations make on PostgreSQL what the models say, to the letter of each constraint."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from alembic import command
from postgres_server import PostgresServer
from sqlalchemy import Connection, create_engine

from attendance.db import Base, Database, NoDatabase, schema
from attendance.relocation import tables as every_table  # noqa: F401 - all are compared

COLUMNS = """SELECT table_name, column_name, data_type, character_maximum_length, is_nullable,
    replace(column_default, 'public.', '') FROM information_schema.columns
    WHERE table_schema = 'public' AND table_name <> 'alembic_version' ORDER BY 1, 2"""
CONSTRAINTS = """SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid)
    FROM pg_constraint WHERE connamespace = 'public'::regnamespace
    AND conrelid::regclass::text <> 'alembic_version' ORDER BY 1, 2"""
INDEXES = """SELECT tablename, indexname, indexdef FROM pg_indexes
    WHERE schemaname = 'public' AND tablename <> 'alembic_version' ORDER BY 1, 2"""


@pytest.fixture
def database(postgres_url: str) -> Iterator[Database]:
    database = Database.at(postgres_url)
    yield database
    database.close()


@pytest.fixture
def of_the_models(postgres: PostgresServer) -> Iterator[str]:
    """A database that the models made themselves."""
    with postgres.fresh() as url:
        engine = create_engine(url)
        Base.metadata.create_all(engine)
        engine.dispose()
        yield name_in(url)


def name_in(url: str) -> str:
    return url.split("/")[3].partition("?")[0]


@pytest.mark.parametrize("query", [COLUMNS, CONSTRAINTS, INDEXES])
def test_models_and_migrations_make_the_same(
    postgres: PostgresServer, postgres_template: str, of_the_models: str, query: str
) -> None:
    made = postgres.execute(query, postgres_template)
    assert made == postgres.execute(query, of_the_models)
    assert len(made) > 10


def test_a_difference_would_be_seen(database: Database) -> None:
    """The control, for what `db check` looks at."""
    with database.snapshot() as connection:
        assert schema.differences(connection) == []
    for change in ("ALTER TABLE chat ADD COLUMN x int", "DROP INDEX ix_audit_target"):
        database.write(partial(Connection.exec_driver_sql, statement=change))
    with database.snapshot() as connection:
        assert len(schema.differences(connection)) == 2


def test_all_of_it_can_be_taken_back(postgres: PostgresServer) -> None:
    with postgres.fresh() as url:
        empty = objects(postgres, name_in(url))
        schema.upgrade(url)
        assert schema.upgrade(url) == (schema.head_revision(), schema.head_revision())
        with Database.upgrading(url, None) as connection:
            config = schema._config()
            config.attributes["connection"] = connection
            command.downgrade(config, "base")
        left = objects(postgres, name_in(url))
        assert left - empty == {("r", "alembic_version"), ("i", "alembic_version_pkc")}


def objects(postgres: PostgresServer, name: str) -> set[tuple[Any, ...]]:
    return set(
        postgres.execute(
            "SELECT relkind::text, relname::text FROM pg_class "
            "WHERE relnamespace = 'public'::regnamespace UNION ALL "
            "SELECT 'f', proname::text FROM pg_proc WHERE pronamespace = 'public'::regnamespace",
            name,
        )
    )


def test_a_database_that_was_not_upgraded_is_refused_with_a_sentence(
    postgres: PostgresServer,
) -> None:
    with postgres.fresh() as url:
        database = Database.at(url)
        with pytest.raises(NoDatabase, match=r"nothing yet: run `manage.py db upgrade`"):
            schema.require_current(database)
        database.close()


def test_an_index_that_does_not_hold_is_a_fault(database: Database) -> None:
    assert database.integrity_errors() == []
    broken = "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'ix_chat_ready'::regclass"
    database.write(lambda connection: connection.exec_driver_sql(broken).rowcount)
    assert database.integrity_errors() == ["The index ix_chat_ready is not valid: REINDEX it."]
