"""What a stranger wrote is read; what the server refuses is told as it is."""

from collections.abc import Iterator

import pytest
from postgres_server import PostgresServer
from sqlalchemy import Connection, select, text

from attendance.db import Database, Unavailable, read_all

ONE = select(text("1"))


@pytest.fixture
def served(postgres_url: str) -> Iterator[Database]:
    database = Database.at(postgres_url)
    yield database
    database.close()


def cut(postgres: PostgresServer, database: Database) -> None:
    name = database.name.split()[0]
    end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    postgres.execute(f"{end} WHERE datname = '{name}'")


def test_a_unit_that_reads_on_a_lost_connection_is_run_again(
    served: Database, postgres: PostgresServer
) -> None:
    runs = list[int]()

    def work(connection: Connection) -> int:
        runs.append(len(read_all(connection, ONE)))
        if len(runs) == 1:
            cut(postgres, served)
        return len(read_all(connection, ONE))

    assert served.write(work) == 1
    assert runs == [1, 1]


def test_a_read_on_a_lost_connection_is_told_as_what_it_is(
    served: Database, postgres: PostgresServer
) -> None:
    def read() -> None:
        with served.snapshot() as connection:
            read_all(connection, ONE)
            cut(postgres, served)
            read_all(connection, ONE)

    with pytest.raises(Unavailable):
        read()
