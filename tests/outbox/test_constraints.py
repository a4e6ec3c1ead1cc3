"""Rows that cannot be: the database itself refuses them, whoever writes."""

from collections.abc import Mapping

import pytest
from sqlalchemy import inspect
from sqlalchemy.exc import IntegrityError

from attendance.db import Database

pytestmark = pytest.mark.both_databases

TIME = "2026-11-23T09:00:00.000000Z"
PENDING = {
    "status": "pending",
    "chat_id": "1",
    "lane": "1",
    "text": "hello",
    "subject_type": "attendance",
    "created_at": TIME,
    "due_at": TIME,
    "give_up_from": TIME,
    "attempts": 0,
    "uncertain_attempts": 0,
}
SENDING = PENDING | {"status": "sending", "token": "t", "claimed_by": "me", "claimed_at": TIME}
SENT = PENDING | {"status": "sent", "sent_at": TIME, "settled_at": TIME}
FAILED = PENDING | {"status": "failed", "settled_at": TIME}
CHAT = {"chat_id": "1", "created_at": TIME}
STOPPAGE = {"reason": "misconfigured", "started_at": TIME}

RIGHT = {
    "pending": ("outbox", PENDING),
    "homeless": ("outbox", PENDING | {"chat_id": None, "lane": None}),
    "sending": ("outbox", SENDING),
    "sent": ("outbox", SENT),
    "failed": ("outbox", FAILED),
    "uncertain": ("outbox", FAILED | {"status": "uncertain"}),
    "cancelled": ("outbox", FAILED | {"status": "cancelled"}),
    "chat": ("chat", CHAT),
    "parked": ("chat", CHAT | {"parked_at": TIME, "park_reason": "blocked"}),
    "stoppage": ("outbox_stoppage", STOPPAGE),
}
WRONG = [
    ("ck_outbox_status", "outbox", FAILED | {"status": "lost"}),
    ("ck_outbox_token", "outbox", SENDING | {"token": None, "claimed_at": None}),
    ("ck_outbox_token", "outbox", PENDING | {"token": "t", "claimed_at": TIME}),
    ("ck_outbox_token", "outbox", FAILED | {"token": "t", "claimed_at": TIME}),
    ("ck_outbox_claimed_at", "outbox", SENDING | {"claimed_at": None}),
    ("ck_outbox_claimed_at", "outbox", PENDING | {"claimed_at": TIME}),
    ("ck_outbox_chat_id", "outbox", SENDING | {"chat_id": None, "lane": None}),
    ("ck_outbox_lane", "outbox", PENDING | {"lane": None}),
    ("ck_outbox_lane", "outbox", PENDING | {"chat_id": None}),
    ("ck_outbox_sent_at", "outbox", SENT | {"sent_at": None}),
    ("ck_outbox_sent_at", "outbox", FAILED | {"sent_at": TIME}),
    ("ck_outbox_settled_at", "outbox", FAILED | {"settled_at": None}),
    ("ck_outbox_settled_at", "outbox", PENDING | {"settled_at": TIME}),
    ("ck_outbox_settled_at", "outbox", SENDING | {"settled_at": TIME}),
    ("ck_outbox_attempts", "outbox", PENDING | {"attempts": -1}),
    ("ck_outbox_attempts", "outbox", PENDING | {"uncertain_attempts": -1}),
    ("ck_chat_park_reason", "chat", CHAT | {"parked_at": TIME}),
    ("ck_chat_park_reason", "chat", CHAT | {"park_reason": "blocked"}),
    ("ck_outbox_stoppage_reason", "outbox_stoppage", STOPPAGE | {"reason": "holiday"}),
]

Row = Mapping[str, object]


def insert(database: Database, table: str, row: Row) -> None:
    """As a stranger would, who knows nothing of our types."""
    names = ", ".join(row)
    values = ", ".join("NULL" if value is None else f"'{value}'" for value in row.values())
    statement = f"INSERT INTO {table} ({names}) VALUES ({values})"  # noqa: S608 - constants
    database.write(lambda connection: connection.exec_driver_sql(statement).rowcount)


@pytest.mark.parametrize(("table", "row"), RIGHT.values(), ids=RIGHT.keys())
def test_a_right_row_is_taken(database: Database, table: str, row: Row) -> None:
    """The control: each wrong row below differs from one of these in one thing."""
    insert(database, table, row)


@pytest.mark.parametrize(("constraint", "table", "row"), WRONG)
def test_a_wrong_row_is_refused(database: Database, constraint: str, table: str, row: Row) -> None:
    refusal = rf"(constraint failed: {constraint}\n|check constraint \"{constraint}\"\n)"
    with pytest.raises(IntegrityError, match=refusal):
        insert(database, table, row)


def test_every_check_has_a_wrong_row(database: Database) -> None:
    tables = ("outbox", "chat", "outbox_stoppage")
    with database.snapshot() as connection:
        found = [
            one for table in tables for one in inspect(connection).get_check_constraints(table)
        ]
    checks = {one["name"] for one in found}
    assert checks == {constraint for constraint, _, _ in WRONG}


def test_one_stoppage_of_a_reason_is_open(database: Database) -> None:
    insert(database, "outbox_stoppage", STOPPAGE)
    insert(database, "outbox_stoppage", STOPPAGE | {"ended_at": TIME})
    with pytest.raises(IntegrityError, match=r"(?i)unique"):
        insert(database, "outbox_stoppage", STOPPAGE)
