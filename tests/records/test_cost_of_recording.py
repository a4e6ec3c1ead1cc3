"""What a record costs does not grow with what was recorded before: counted in SQLite's own steps,
for all that a POST does in its transaction."""

import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import sqlite_steps
from sqlalchemy import Connection

from attendance import api_keys
from attendance.audit import Actor, Context, service_context
from attendance.db import Database, format_utc
from attendance.models import Event
from attendance.records.idempotency import Answer, Ticket, once
from attendance.records.recording import Entry, Recording, Reporter, Rules, record_attendance

pytestmark = pytest.mark.slow

pytestmark = pytest.mark.slow

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
TOKEN = "t" * 64
RULES = Rules(default_chat="1000", dedupe_seconds=120, timezone=ZoneInfo("UTC"))
FEW_STEPS = 100
"""By how much two counts of the same work may differ: a tree of pages that is one level deeper."""

_NUMBERS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) "
_PAST = {
    "attendance (person_id, event, occurred_at, received_at, timezone, local_date, key_lineage, "
    "key_id, request_id)": "'past' || i % 100, 'check_in', :at, :at, 'UTC', '2026-11-22', 1, 1, i",
    "client_event (key_lineage, client_event_id, attendance_id)": "1, 'past' || i, i",
    "idempotency_key (key_lineage, key, fingerprint, status, body, created_at)": (
        "1, 'past' || i, i, 201, '{}', :at"
    ),
    "outbox (status, chat_id, lane, text, line, subject_type, subject_id, created_at, due_at, "
    "give_up_from, attempts, uncertain_attempts, sent_at, settled_at)": (
        "'sent', '1000', '1000', 'hi', 'hi', 'attendance', i, :at, :at, :at, 1, 0, :at, :at"
    ),
    "audit (occurred_at, actor_type, action, outcome, target_type, target_id, request_id, host, "
    "schema_version)": (
        ":at, 'key', 'attendance.recorded', 'success', 'attendance', i, i, 'past', 1"
    ),
}


@pytest.fixture
def make(migrated: Path, tmp_path: Path) -> Iterator[Callable[..., Database]]:
    made: list[Database] = []

    def make_one(*, past: bool) -> Database:
        path = shutil.copy(migrated, tmp_path / f"{len(made)}.db")
        made.append(Database.at(f"sqlite:///{path}"))
        made[-1].write(create_key)
        if past:
            made[-1].write(fill)
        made[-1].write(record)  # the first to the chat makes its lane
        return made[-1]

    yield make_one
    for database in made:
        database.close()


def create_key(connection: Connection) -> str:
    context = service_context("test")
    return api_keys.create(
        connection, NOW, context, name="door", role="frontend", random_token=lambda: TOKEN
    )


def fill(connection: Connection) -> None:
    """With as many records of other days, all about the same hundred people."""
    at = format_utc(NOW - timedelta(days=1))
    for into, values in _PAST.items():
        statement = f"INSERT INTO {into} {_NUMBERS} SELECT {values} FROM n"  # noqa: S608 - constants
        connection.exec_driver_sql(statement, {"at": at} if ":at" in values else {})


def record(connection: Connection, event: Event = "check_out") -> None:
    """One of a person of whom there may be many, as a POST records it."""
    key = api_keys.find(connection, f"{api_keys.PREFIX}{TOKEN}")
    assert key is not None
    entry = Entry(person_id="past7", event=event, client_event_id=event)
    reporter, context = Reporter(key.id, key.lineage), Context(Actor("key", "1", "door"), event)
    recording = Recording.of(NOW, entry, reporter, context, RULES)

    def act() -> Answer:
        api_keys.note_use(connection, NOW, key)
        assert record_attendance(connection, recording).created
        return Answer(201, "{}")

    assert not once(connection, NOW, Ticket(key.lineage, event, "print"), act).replayed


def steps(database: Database, act: Callable[[Connection], object]) -> int:
    def work(connection: Connection) -> int:
        driver: Any = connection.connection.dbapi_connection
        return sqlite_steps.steps(driver, lambda: act(connection))

    return database.write(work)


def test_a_record_costs_the_same_however_many_there_are(make: Callable[..., Database]) -> None:
    empty, full = make(past=False), make(past=True)
    assert steps(full, record_another) <= steps(empty, record_another) + FEW_STEPS


def record_another(connection: Connection) -> None:
    record(connection, "break_start")


def test_the_count_sees_what_is_read_row_by_row(make: Callable[..., Database]) -> None:
    """The control: a look for a record that no index helps with."""

    def scan(connection: Connection) -> None:
        connection.exec_driver_sql("SELECT id FROM attendance WHERE note = 'nothing'").all()

    empty, full = make(past=False), make(past=True)
    assert steps(full, scan) > steps(empty, scan) + 100 * FEW_STEPS
