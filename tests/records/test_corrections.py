"""The use cases of correcting, without HTTP, and what the database itself holds them to."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Connection, select, text
from sqlalchemy.exc import IntegrityError

from attendance.audit import Actor, Context
from attendance.db import Base, Database
from attendance.models import Attendance
from attendance.notifications import routing
from attendance.notifications.routing import Conditions
from attendance.outbox import chat_migration
from attendance.records import queries as attendance_queries
from attendance.records.corrections import (
    AlreadyCorrected,
    Corrected,
    NoSuchRecord,
    NothingToAmend,
    NotYourRecord,
    Order,
    TooLate,
    amend,
    void,
)
from attendance.records.recording import Entry, Recording, Reporter, Rules, record_attendance

pytestmark = pytest.mark.both_databases

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
CONTEXT = Context(Actor("key", "1", "door"), request_id="req-1")
RULES = Rules(default_chat="1000", dedupe_seconds=120, timezone=ZoneInfo("UTC"))
DOOR, DESK = Reporter(1, 1), Reporter(2, 2)
ORDER = Order(NOW, 1, "a mix-up", DESK, CONTEXT, RULES)


@pytest.fixture(autouse=True)
def recorded(database: Database) -> None:
    """Ada's check-in, the record 1, and Ben's, the record 2."""
    for person in ("ada", "ben"):
        entry = Entry(person_id=person, event="check_in", group="A")
        recording = Recording.of(NOW, entry, DOOR, CONTEXT, RULES)
        database.write(partial(record_attendance, recording=recording))


def _void(database: Database, order: Order = ORDER, *, only_own: bool = False) -> Corrected:
    return database.write(lambda connection: void(connection, order, only_own=only_own))


def _amend(database: Database, order: Order = ORDER, **changes: Any) -> Corrected:
    return database.write(lambda connection: amend(connection, order, changes))


def _rows(database: Database, name: str) -> list[dict[str, Any]]:
    table = Base.metadata.tables[name]
    with database.snapshot() as connection:
        found = connection.execute(select(table).order_by(*table.primary_key)).mappings()
        return [dict(row) for row in found]


def test_a_correction_says_who_made_it_when_and_why(database: Database) -> None:
    _void(database)

    assert _rows(database, "correction") == [
        {
            "attendance_id": 1,
            "replaced_by": None,
            "reason": "a mix-up",
            "corrected_at": NOW,
            "key_id": 2,
            "request_id": "req-1",
        }
    ]


def test_what_is_returned_is_what_is_read(database: Database) -> None:
    voided, amended = _void(database), _amend(database, replace(ORDER, attendance_id=2), site="HQ")

    with database.snapshot() as connection:
        assert attendance_queries.one(connection, 1) == voided.attendance
        assert attendance_queries.one(connection, 3) == amended.attendance


def test_the_new_record_is_the_one_s_who_amended(database: Database) -> None:
    made = _amend(database, event="late").attendance

    assert (made["key_id"], made["key_lineage"], made["client_event_id"]) == (2, 2, None)


def test_what_stands_is_neither_void_nor_amended(database: Database) -> None:
    _void(database)
    _amend(database, replace(ORDER, attendance_id=2), event="late")

    with database.snapshot() as connection:
        standing = connection.scalars(select(Attendance.id).where(attendance_queries.STANDS)).all()
    assert standing == [3]


def test_a_chain_of_corrections_can_be_walked_both_ways(database: Database) -> None:
    _amend(database, event="late")
    _amend(database, replace(ORDER, attendance_id=3), event="absent")
    _void(database, replace(ORDER, attendance_id=4))

    with database.snapshot() as connection:
        found = attendance_queries.newest(
            connection, attendance_queries.Filter(person_id="ada"), before=None, limit=9
        )
    assert [(one["replaces"], one["id"], one["replaced_by"]) for one in found] == [
        (3, 4, None),
        (1, 3, 4),
        (None, 1, 3),
    ]


@pytest.mark.parametrize("act", [_void, lambda database: _amend(database, event="late")])
def test_the_caller_decides_about_the_commit(database: Database, act: Any) -> None:
    before = [_rows(database, table) for table in ("attendance", "correction", "outbox", "audit")]

    def work(connection: Connection) -> None:
        void(connection, ORDER, only_own=False)
        amend(connection, replace(ORDER, attendance_id=2), {"event": "late"})
        raise LookupError

    with pytest.raises(LookupError):
        database.write(work)

    assert before == [
        _rows(database, table) for table in ("attendance", "correction", "outbox", "audit")
    ]
    act(database)
    assert len(_rows(database, "correction")) == 1


@pytest.mark.parametrize(
    ("order", "error"),
    [
        (replace(ORDER, attendance_id=99, reporter=DOOR), NoSuchRecord),
        (ORDER, NotYourRecord),
        (replace(ORDER, reporter=DOOR, now=NOW + timedelta(seconds=61)), TooLate),
    ],
)
def test_what_a_frontend_may_not_void(
    database: Database, order: Order, error: type[Exception]
) -> None:
    with pytest.raises(error):
        _void(database, order, only_own=True)

    assert _rows(database, "correction") == []


def test_a_clock_that_was_set_back_takes_no_time_away(database: Database) -> None:
    order = replace(ORDER, reporter=Reporter(9, 1), now=NOW - timedelta(hours=1))

    assert _void(database, order, only_own=True)


def test_whose_record_it_is_comes_before_what_became_of_it(database: Database) -> None:
    """A frontend learns nothing of the records of others."""
    _void(database)

    with pytest.raises(NotYourRecord):
        _void(database, only_own=True)


def test_a_refused_amendment_writes_nothing(database: Database) -> None:
    with pytest.raises(NothingToAmend):
        _amend(database, event="check_in")
    _void(database)
    with pytest.raises(AlreadyCorrected):
        _amend(database, event="late")

    assert len(_rows(database, "attendance")) == 2


def test_topics_and_chats_without_conditions_are_told_once(database: Database) -> None:
    def route(connection: Connection) -> None:
        routing.add(connection, NOW, "-1", 5, [Conditions(group="A"), Conditions(group="B")])
        routing.add(connection, NOW, "2000", None, [routing.EVERYTHING])

    database.write(route)

    told = _amend(database, group="B").notifications

    assert [one.chat_id for one in told] == ["-1", "2000", "1000"]  # which heard of the original
    assert [row["thread_id"] for row in _rows(database, "outbox")[2:]] == [5, None, None]


def test_a_chat_that_was_told_under_its_old_id_is_told_once(database: Database) -> None:
    def migrate(connection: Connection) -> None:
        chat_migration.migrate(connection, NOW, "1000", "-1001000")
        routing.add(connection, NOW, "-1001000", None, [routing.EVERYTHING])

    database.write(migrate)

    assert [one.chat_id for one in _void(database).notifications] == ["-1001000"]


_INSERT = (
    "INSERT INTO correction (attendance_id, replaced_by, reason, corrected_at, key_id, request_id) "
    "VALUES (:attendance_id, :replaced_by, 'why', '2026-11-23T12:00:00.000000Z', 1, 'r')"
)


@pytest.mark.parametrize(
    ("attendance_id", "replaced_by"),
    [
        (1, None),  # a second time
        (1, 2),
        (2, 3),  # which stands in another's place already
        (3, 2),  # back
        (2, 2),
        (2, 99),
        (99, None),
    ],
)
def test_the_database_refuses_what_makes_no_sense(
    database: Database, attendance_id: int, replaced_by: int | None
) -> None:
    _amend(database, event="late")

    def work(connection: Connection) -> None:
        connection.execute(
            text(_INSERT), {"attendance_id": attendance_id, "replaced_by": replaced_by}
        )

    with pytest.raises(IntegrityError):
        database.write(work)


_UPSERT = (
    "INSERT INTO correction SELECT * FROM correction WHERE true "
    "ON CONFLICT (attendance_id) DO UPDATE SET reason = 'another'"
)
_CHANGES = [
    "UPDATE correction SET reason = 'another'",
    "UPDATE correction SET replaced_by = NULL",
    "DELETE FROM correction",
    _UPSERT,
]


@pytest.mark.parametrize("change", _CHANGES)
def test_a_correction_is_not_changed_any_more(database: Database, change: str) -> None:
    _amend(database, event="late")
    before = _rows(database, "correction")

    with pytest.raises(IntegrityError, match="correction is append-only"):
        database.write(lambda connection: connection.exec_driver_sql(change).rowcount)

    assert _rows(database, "correction") == before


@pytest.mark.sqlite_only
def test_the_latest_record_that_stands_is_found_by_index(database: Database) -> None:
    """For each POST: nothing is sorted, and no table is read through."""
    run: list[str] = []

    def work(connection: Connection) -> list[str]:
        driver: Any = connection.connection.dbapi_connection
        driver.set_trace_callback(run.append)
        entry = Entry(person_id="ada", event="check_in")
        record_attendance(connection, Recording.of(NOW, entry, DOOR, CONTEXT, RULES))
        driver.set_trace_callback(None)
        [latest] = [one for one in run if "ORDER BY attendance.occurred_at DESC" in one]
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {latest}").all()
        return [str(step[3]) for step in plan]

    assert database.write(work) == [
        "SEARCH attendance USING INDEX ix_attendance_person (person_id=?)",
        "CORRELATED SCALAR SUBQUERY 1",
        "SEARCH correction USING INTEGER PRIMARY KEY (rowid=?)",
    ]
