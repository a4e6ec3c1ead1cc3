"""On PostgreSQL a unit of work waits for no answer that it does not look at; it misses no error."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
from sqlalchemy import Column, Connection, Integer, MetaData, String, Table, insert, select, update
from sqlalchemy.exc import IntegrityError

from attendance.db import Database, Prepared, alone_at, try_alone_at

PATIENCE_SECONDS = 30.0
NOTE = Table("note", MetaData(), Column("id", Integer, primary_key=True), Column("text", String))
ADD = Prepared(insert(NOTE), "id", "text")
SHOUT = Prepared(update(NOTE).values(text="!"))
ALL = Prepared(select(NOTE.c.text).order_by(NOTE.c.id))


@pytest.fixture
def database(postgres_url: str) -> Iterator[Database]:
    database = Database.at(postgres_url)
    database.write(NOTE.create)
    yield database
    database.close()


def texts(database: Database) -> list[str]:
    with database.read() as connection:
        return [row.text for row in ALL.all(connection, {})]


def add(number: int, connection: Connection) -> None:
    ADD(connection, {"id": number, "text": f"secret {number}"})


def test_what_nobody_looks_at_is_not_waited_for(database: Database) -> None:
    """The lock comes free only after the unit has gone on past it."""
    held, sent = threading.Event(), threading.Event()

    def hold(connection: Connection) -> None:
        alone_at(connection, "x")
        assert try_alone_at(connection, "x")  # answered: so it is held
        held.set()
        assert sent.wait(PATIENCE_SECONDS)

    def go_past(connection: Connection) -> None:
        assert not try_alone_at(connection, "x")  # the control: another holds it
        alone_at(connection, "x")
        add(1, connection)
        sent.set()

    with ThreadPoolExecutor(1) as pool:
        holder = pool.submit(database.write, hold)
        assert held.wait(PATIENCE_SECONDS)
        database.write(go_past)
        holder.result()
    assert texts(database) == ["secret 1"]


def test_what_fails_unseen_fails_the_unit(database: Database) -> None:
    """Also where it was the last thing: nothing of the unit is written, and no value is told."""
    database.write(partial(add, 1))

    def twice(connection: Connection) -> None:
        add(2, connection)
        add(1, connection)

    with pytest.raises(IntegrityError) as raised:
        database.write(twice)
    assert "unique" in str(raised.value)
    assert "(1)" not in str(raised.value)
    assert texts(database) == ["secret 1"]


def test_what_fails_unseen_is_told_with_the_next_answer(database: Database) -> None:
    database.write(partial(add, 1))
    gone_on: list[int] = []

    def look(connection: Connection) -> None:
        add(1, connection)
        ALL.all(connection, {})
        gone_on.append(1)

    with pytest.raises(IntegrityError):
        database.write(look)
    assert not gone_on


def test_what_is_looked_at_has_seen_all_before_it(database: Database) -> None:
    def work(connection: Connection) -> tuple[int, int, int]:
        add(1, connection)
        prepared = SHOUT.changed(connection, {})
        add(2, connection)
        ordinary = connection.execute(update(NOTE).values(text="?")).rowcount
        add(3, connection)
        return prepared, ordinary, len(ALL.all(connection, {}))

    assert database.write(work) == (1, 2, 3)
    assert texts(database) == ["?", "?", "secret 3"]


def test_after_a_unit_that_failed_the_connection_serves_the_next(database: Database) -> None:
    def fail(connection: Connection) -> None:
        add(1, connection)
        raise LookupError

    for number in range(3):
        with pytest.raises(LookupError):
            database.write(fail)
        database.write(partial(add, number))
    assert len(texts(database)) == 3
