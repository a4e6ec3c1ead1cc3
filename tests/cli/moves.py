"""A database with a row of everything to move, and what became of it elsewhere."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from functools import partial
from typing import Any

import psycopg
from click.testing import Result
from commands import Desk
from sqlalchemy import Connection, make_url

from attendance.audit.sealer import Sealer
from attendance.db import format_utc

AWKWARD = "a \"quote\", a 'tick', \\N \\. a \\tab\t, a line\nbreak\r, {}, %s, ünïcödé 🎉 e\u0301"
PLACES = ((0.1, -179.99999999999997, 1e16), (1e-7, 5.0, None))
STATUSES = (
    *(("sent", "1000"), ("failed", "1000"), ("pending", "1000"), ("pending", "-7")),
    *(("pending", None), ("uncertain", "1000"), ("sending", "-9"), ("sent", "1000")),
)
PASSWORD = "pw-1"
WAY_ON = "run this again, or open it with `manage.py db move --cancel`."
"""What is said where a move fails in the middle."""

FILLED = {
    *("api_key", "attendance", "audit", "audit_leaf", "audit_seal", "chat", "client_event"),
    *("correction", "idempotency_key", "outbox", "outbox_attempt", "outbox_start"),
    *("outbox_stoppage", "route", "service_secret", "turn"),
}
"""The tables that `fill` puts rows into: all that a service does."""


@dataclass(frozen=True)
class MovedDesk:
    """The place of an admin who has moved a database; `result` is what the command said. Shared by
    all tests: none changes it."""

    desk: Desk
    target: str
    result: Result


def at(number: int) -> str:
    return f"2026-11-23T09:00:00.{number:06d}Z"


def fill(desk: Desk) -> None:
    """Rows in each table that a service fills, of which the newest are not sealed yet. The lease of
    the message that is `sending` is over."""
    desk.done("keys", "create", "door", "--role", "frontend")
    desk.done("chats", "add", "--title", AWKWARD.partition("\n")[0], "1000")
    desk.write(_fill)
    with desk.database() as database:
        Sealer(database, database.clock, None).finish()
    desk.done("keys", "create", "other door", "--role", "admin")


@contextmanager
def psql(url: str) -> Iterator["psycopg.Connection[Any]"]:
    """A stranger at the database that `url` names."""
    parsed = make_url(url)
    host = parsed.query["host"]
    assert isinstance(host, str)
    with psycopg.connect(
        host=host, user="postgres", dbname=parsed.database, autocommit=True
    ) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        yield connection


def all_here(desk: Desk) -> dict[str, list[tuple[Any, ...]]]:
    """The rows of each table as SQLite stores them, in any order."""
    with closing(sqlite3.connect(desk.path)) as connection:
        found = {one: connection.execute(_all_of(desk, one)) for one in FILLED}
        return {table: sorted(rows, key=repr) for table, rows in found.items()}


def all_there(desk: Desk, url: str) -> dict[str, list[tuple[Any, ...]]]:
    """The same from PostgreSQL, its types taken for what SQLite has; without the last entry of the
    trail, which tells of the move's end."""
    with psql(url) as connection:
        found = {one: connection.execute(_all_of(desk, one)) for one in FILLED}
        stored = {one: [tuple(map(_as_stored, row)) for row in found[one]] for one in FILLED}
    last = max(stored["audit"])
    stored["audit"].remove(last)
    assert "db.moved" in last
    return {table: sorted(rows, key=repr) for table, rows in stored.items()}


def _all_of(desk: Desk, table: str) -> str:
    """The columns in the order in which they were made here."""
    with closing(sqlite3.connect(desk.path)) as connection:
        names = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
    listed = ", ".join(f'"{name}"' for name in names)
    return f"SELECT {listed} FROM {table}"  # noqa: S608


def _as_stored(value: Any) -> Any:
    if isinstance(value, datetime):
        return format_utc(value)
    if isinstance(value, date):
        return value.isoformat()
    return int(value) if isinstance(value, bool) else value


def _fill(connection: Connection) -> None:
    add = partial(_insert, connection)
    for number, (latitude, longitude, accuracy) in enumerate(PLACES):
        place = {"latitude": latitude, "longitude": longitude, "accuracy_m": accuracy}
        add("attendance", **_RECORD, occurred_at=at(number), person_id=f"p{number}", **place)
    for number, (status, chat) in enumerate(STATUSES):
        add("outbox", **_message(number, status, chat))
    connection.exec_driver_sql("DELETE FROM outbox WHERE id = 8")  # which is never given out again
    add("correction", attendance_id=1, replaced_by=2, reason="wrong", corrected_at=at(1), **_BY)
    for key in ("Z", "a", "É", "_"):  # whose order is another in most languages
        known = {"client_event_id": key, "attendance_id": 1, "occurred_at": at(5)}
        add("client_event", key_lineage=1, **known)
        answer = {"fingerprint": "f", "status": 201, "body": AWKWARD, "created_at": at(1)}
        add("idempotency_key", key_lineage=1, key=key, **answer)
    add("service_secret", name="signing", value="kept", created_at=at(1))
    add("turn", name="pruning", next_at=at(7))
    add("chat", chat_id="-7", created_at=at(1), silent=1, hold_until=at(2))
    add("outbox_attempt", outbox_id=1, number=1, outcome="delivered", **_CLAIM)
    add("outbox_start", lane="1000", starts_at=at(3))
    add("outbox_stoppage", reason="flooded", started_at=at(4), ended_at=at(5))


_BY = {"key_id": 1, "request_id": "r"}
_CLAIM = {"token": "t", "claimed_by": "h", "started_at": at(1), "ended_at": at(2)}
_RECORD = {
    "person_name": AWKWARD,
    "note": AWKWARD,
    "event": "check_in",
    "timezone": "Europe/Berlin",
    "local_date": "2026-11-23",
    "received_at": at(999_999),
    "key_lineage": 1,
    **_BY,
}


def _message(number: int, status: str, chat: str | None) -> dict[str, object]:
    time = at(number)
    return {
        "status": status,
        "chat_id": chat,
        "lane": chat,
        "text": AWKWARD,
        "silent": number % 2,
        "alone": (number + 1) % 2,
        "last_error": AWKWARD,
        "subject_type": "attendance",
        "telegram_message_id": 2**60 + number,
        "token": "t" if status == "sending" else None,
        "claimed_at": time if status == "sending" else None,
        **dict.fromkeys(("created_at", "due_at", "give_up_from"), time),
        "attempts": number,
        "uncertain_attempts": 0,
        "sent_at": time if status == "sent" else None,
        "settled_at": None if status in {"pending", "sending"} else time,
    }


def _insert(connection: Connection, table: str, **values: object) -> None:
    places = ", ".join("?" * len(values))
    into = f"INSERT INTO {table} ({', '.join(values)}) VALUES ({places})"  # noqa: S608
    connection.exec_driver_sql(into, tuple(values.values()))
