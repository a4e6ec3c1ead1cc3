"""The use case of recording, without HTTP: what it writes through the connection it is given."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Connection

from attendance.audit import Actor, Context
from attendance.db import Database
from attendance.notifications import routing
from attendance.notifications.routing import EVERYTHING, Conditions
from attendance.notifications.texts import Notices
from attendance.records.recording import (
    ClientEventConflict,
    Entry,
    Recorded,
    Recording,
    Reporter,
    Rules,
    record_attendance,
)

pytestmark = pytest.mark.both_databases

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
CONTEXT = Context(Actor("key", "1", "door"), request_id="req-1", source_ip="192.0.2.1")
RULES = Rules(default_chat="1000", dedupe_seconds=120, timezone=ZoneInfo("UTC"))
DOOR = Reporter(key_id=1, key_lineage=1)
Record = Callable[..., Recorded]


@pytest.fixture
def record(database: Database) -> Record:
    """Record in a transaction of its own: `record(event="late")`."""

    def call(
        *,
        rules: Rules = RULES,
        reporter: Reporter = DOOR,
        now: datetime = NOW,
        **fields: Any,
    ) -> Recorded:
        entry = Entry(**{"person_id": "ada", "event": "check_in", **fields})
        recording = Recording.of(now, entry, reporter, CONTEXT, rules)
        return database.write(lambda connection: record_attendance(connection, recording))

    return call


def _rows(database: Database, table: str) -> list[dict[str, Any]]:
    with database.snapshot() as connection:
        found = connection.exec_driver_sql(f"SELECT * FROM {table} ORDER BY id").mappings()  # noqa: S608
        return [dict(row) for row in found]


def test_an_entry_becomes_a_record_a_message_and_an_audit_row(
    database: Database, record: Record
) -> None:
    recorded = record(person_name="Ada", note="hi")

    (row,), (message,), (entry,) = (
        _rows(database, table) for table in ("attendance", "outbox", "audit")
    )
    assert recorded.created
    assert recorded.attendance["id"] == row["id"] == 1
    assert [(one.id, one.chat_id, one.status) for one in recorded.notifications] == [
        (message["id"], "1000", "pending")
    ]
    assert message["request_id"] == entry["request_id"] == row["request_id"] == "req-1"
    assert json.loads(entry["after_json"])["note"] == "hi"


def test_the_row_that_is_returned_is_the_row_that_is_stored(
    database: Database, record: Record
) -> None:
    made = record(latitude=52.5, longitude=13.4, client_event_id="e-1").attendance
    again = record(client_event_id="e-1").attendance

    assert again == made
    assert len(_rows(database, "attendance")) == 1


def test_the_caller_decides_about_the_commit(database: Database) -> None:
    def work(connection: Connection) -> None:
        entry = Entry(person_id="ada", event="late")
        record_attendance(connection, Recording.of(NOW, entry, DOOR, CONTEXT, RULES))
        raise LookupError

    with pytest.raises(LookupError):
        database.write(work)

    assert [_rows(database, table) for table in ("attendance", "outbox", "audit")] == [[], [], []]


def test_the_audit_row_leaves_out_what_is_empty(database: Database, record: Record) -> None:
    record()

    said = json.loads(_rows(database, "audit")[0]["after_json"])
    assert None not in said.values()
    assert "note" not in said


def test_a_conflict_writes_nothing(database: Database, record: Record) -> None:
    record(client_event_id="e-1")

    with pytest.raises(ClientEventConflict):
        record(client_event_id="e-1", event="late")

    assert len(_rows(database, "audit")) == 1


def test_an_id_of_another_lineage_is_another_event(record: Record) -> None:
    record(client_event_id="e-1")

    other = record(client_event_id="e-1", person_id="ben", reporter=Reporter(2, 2))

    assert other.created


def test_the_key_may_change_while_the_lineage_stays(record: Record) -> None:
    first = record(client_event_id="e-1")

    again = record(client_event_id="e-1", reporter=Reporter(9, 1))

    assert (again.created, again.deduplicated) == (False, False)
    assert again.attendance == first.attendance


def test_a_duplicate_has_no_notification(record: Record) -> None:
    first = record()

    twin = record(now=NOW + timedelta(seconds=120))

    assert (twin.created, twin.deduplicated, twin.notifications) == (False, True, ())
    assert twin.attendance["id"] == first.attendance["id"]


def test_of_two_records_of_one_moment_the_later_written_counts(record: Record) -> None:
    record()
    record(event="check_out")

    assert record(event="check_out").deduplicated
    assert record(event="check_in").created


def test_without_a_default_chat_the_message_waits_for_one(
    database: Database, record: Record
) -> None:
    rules = Rules(default_chat=None, dedupe_seconds=0, timezone=ZoneInfo("UTC"))

    recorded = record(rules=rules)

    assert recorded.notifications[0].chat_id is None
    assert _rows(database, "outbox")[0]["chat_id"] is None


def test_each_chat_and_topic_that_is_to_be_told_has_a_message(
    database: Database, record: Record
) -> None:
    def work(connection: Connection) -> None:
        routing.add(connection, NOW, "-100200", 5, [Conditions(site="HQ")])
        routing.add(connection, NOW, "2000", None, [EVERYTHING])

    database.write(work)

    routed, other = record(site="HQ").notifications, record(person_id="ben").notifications

    assert [one.chat_id for one in routed] == ["-100200", "2000"]
    assert [one.chat_id for one in other] == ["2000", "1000"]
    rows = _rows(database, "outbox")
    assert [(row["id"], row["chat_id"], row["thread_id"]) for row in rows[:2]] == [
        (routed[0].id, "-100200", 5),
        (routed[1].id, "2000", None),
    ]
    assert len({(row["text"], row["line"], row["subject_id"]) for row in rows[:2]}) == 1


def test_the_message_is_in_the_operator_s_words_and_the_digest_s_line_in_ours(
    database: Database, record: Record
) -> None:
    record(rules=replace(RULES, notices=Notices({"NOTICE_TEMPLATE": "{person}: {event}"})))

    (message,) = _rows(database, "outbox")
    assert message["text"] == "ada: check\\_in"
    assert message["line"] == "✅ 12:00 *ada* checked in"


@pytest.mark.parametrize(
    ("zone", "local_date"),
    [("America/New_York", "2026-11-01"), ("UTC", "2026-11-01"), ("Asia/Tokyo", "2026-11-02")],
)
def test_the_local_date_where_a_clock_is_set_back(
    record: Record, zone: str, local_date: str
) -> None:
    # 01:30 comes twice in New York that night; both are the first of November.
    for hour in (5, 6):
        at = datetime(2026, 11, 1, hour, 30, tzinfo=UTC) + timedelta(hours=10)
        made = record(
            occurred_at=at - timedelta(hours=0 if zone == "Asia/Tokyo" else 10),
            timezone=ZoneInfo(zone),
            person_id=f"{zone}{hour}",
        )
        assert made.attendance["local_date"].isoformat() == local_date
