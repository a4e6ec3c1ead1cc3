"""A prepared statement does what `Connection.execute` does, without its cost."""

from datetime import UTC, date, datetime

import pytest
from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    Date,
    Integer,
    MetaData,
    Table,
    bindparam,
    insert,
    select,
)
from sqlalchemy.exc import IntegrityError

from attendance.db import Database, Prepared, UtcTime

pytestmark = pytest.mark.both_databases

NINE = datetime(2026, 11, 23, 9, tzinfo=UTC)
VISIT = Table(
    "visit",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("at", UtcTime),
    Column("day", Date),
    Column("is_late", Boolean),
)
ADD = Prepared(insert(VISIT), "id", "at", "is_late")
LATER = Prepared(
    select(VISIT).where(VISIT.c.at >= bindparam("since")).order_by(VISIT.c.at).limit(2)
)
ROW = {"id": 7, "at": NINE, "is_late": True}


@pytest.fixture(autouse=True)
def table(database: Database) -> None:
    database.write(VISIT.create)


def test_what_is_written_comes_back_in_its_types(database: Database) -> None:
    made = database.write(lambda connection: ADD.inserted(connection, ROW))
    with database.snapshot() as connection:
        row = LATER.first(connection, {"since": NINE})
        assert row == connection.execute(select(VISIT)).one()
    assert made == 7
    assert (row.at, row.day, row.is_late) == (NINE, None, True)


def test_a_day_is_a_day(database: Database) -> None:
    database.write(
        lambda connection: (
            connection.execute(insert(VISIT), ROW | {"day": date(2026, 1, 2)}) and None
        )
    )
    with database.snapshot() as connection:
        assert LATER.first(connection, {"since": NINE}).day == date(2026, 1, 2)


def test_there_may_be_no_row(database: Database) -> None:
    with database.snapshot() as connection:
        assert LATER.first(connection, {"since": NINE}) is None
        assert LATER.all(connection, {"since": NINE}) == []


def test_a_constant_of_the_statement_is_kept(database: Database) -> None:
    database.write(lambda c: [ADD(c, ROW | {"id": number}) for number in range(3)] and None)
    with database.snapshot() as connection:
        assert len(LATER.all(connection, {"since": NINE})) == 2


def test_an_error_is_sqlalchemy_s_and_shows_no_value(database: Database) -> None:
    database.write(lambda connection: ADD(connection, ROW) and None)
    with pytest.raises(IntegrityError) as raised:
        database.write(lambda connection: ADD(connection, ROW) and None)
    assert "unique" in str(raised.value).lower()
    assert "(7)" not in str(raised.value)
    assert "2026" not in str(raised.value)


def test_it_takes_part_in_the_transaction(database: Database) -> None:
    def work(connection: Connection) -> None:
        ADD(connection, ROW)
        raise LookupError

    with pytest.raises(LookupError):
        database.write(work)
    with database.snapshot() as connection:
        assert LATER.all(connection, {"since": NINE}) == []
