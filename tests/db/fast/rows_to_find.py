"""Rows that every statement of ours finds, and the values with which it is asked."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, insert

from attendance.audit.trail import AuditEntry
from attendance.db import Base
from attendance.models import (
    ApiKey,
    Attendance,
    ClientEvent,
    Correction,
    IdempotencyKey,
    Route,
)
from attendance.outbox.models import Chat, Message, Start, Stoppage

NOW = datetime(2026, 11, 23, 12, 0, 0, 1, tzinfo=UTC)
EARLIER, LATER = NOW - timedelta(hours=1), NOW + timedelta(hours=1)
_RECORD = {
    "person_id": "ada",
    "person_name": "Ada “Ł” Lovelace",
    "event": "check_in",
    "occurred_at": EARLIER,
    "received_at": NOW,
    "timezone": "Europe/Berlin",
    "local_date": date(2026, 11, 23),
    "site": None,
    "group_name": "night",
    "device": None,
    "note": "",
    "latitude": 52.5,
    "longitude": -1e-7,
    "accuracy_m": None,
    "client_event_id": "c-1",
    "key_lineage": 1,
    "key_id": 1,
    "request_id": "r-1",
}
_AUDIT = {
    **dict.fromkeys(("reason", "trace_id", "source_ip", "user_agent", "before_json")),
    "occurred_at": NOW,
    "actor_type": "key",
    "actor_id": "1",
    "actor_name": "kiosk",
    "action": "attendance.recorded",
    "outcome": "success",
    "target_type": "attendance",
    "target_id": "1",
    "request_id": "r-1",
    "host": "here",
    "after_json": '{"id":1}',
    "schema_version": 1,
}
_MESSAGE = {
    "status": "pending",
    "chat_id": "1",
    "lane": "1",
    "thread_id": None,
    "silent": True,
    "text": "hello",
    "line": None,
    "alone": False,
    "subject_type": "attendance",
    "subject_id": "1",
    "request_id": "r-1",
    "created_at": EARLIER,
    "due_at": EARLIER,
    "give_up_from": EARLIER,
    "attempts": 0,
    "uncertain_attempts": 0,
}
_CLAIM = {"status": "sending", "token": "t", "claimed_by": "here", "claimed_at": EARLIER}
_KEPT = {
    "key_lineage": 1,
    "key": "k",
    "fingerprint": "f",
    "status": 201,
    "location": None,
    "body": "{}",
    "created_at": NOW,
}
_PARKED = {"parked_at": EARLIER, "park_reason": "blocked", "refused_since": EARLIER}

_ROWS: list[tuple[type[Base], dict[str, Any]]] = [
    (
        ApiKey,
        {
            "lineage": 1,
            "name": "kiosk",
            "role": "frontend",
            "key_hash": "h",
            "created_at": EARLIER,
            "last_used_at": None,
        },
    ),
    *[(Attendance, _RECORD)] * 3,
    (
        Correction,
        {
            "attendance_id": 1,
            "replaced_by": 2,
            "reason": "typo",
            "corrected_at": NOW,
            "key_id": 1,
            "request_id": "r-2",
        },
    ),
    (
        ClientEvent,
        {
            "key_lineage": 1,
            "client_event_id": "c-1",
            "attendance_id": 2,
            "occurred_at": EARLIER,
        },
    ),
    (IdempotencyKey, _KEPT),
    (Chat, {"chat_id": "1", "created_at": EARLIER, "quiet_hours": "22:00-06:00"}),
    (Chat, {"chat_id": "2", "created_at": EARLIER, "migrated_to": "1"}),
    (Chat, {"chat_id": "3", "created_at": EARLIER, "probe_at": EARLIER, **_PARKED}),
    (Route, {"chat_id": "2", "thread_id": 7, "event": None, "created_at": EARLIER}),
    (Route, {"chat_id": "1", "site": "north", "event": "check_in", "created_at": EARLIER}),
    (Message, {**_MESSAGE, **_CLAIM, "digest_id": 1}),
    (Message, {**_MESSAGE, "digest_id": 1}),
    *[(Message, _MESSAGE)] * 2,
    (Message, {**_MESSAGE, "chat_id": "3", "lane": "3"}),
    (Message, {**_MESSAGE, "chat_id": None, "lane": None}),
    *[(Start, {"lane": "1", "starts_at": time}) for time in (EARLIER, NOW, LATER)],
    (Stoppage, {"reason": "unreachable", "started_at": EARLIER, "probe_at": NOW, "error": "dns"}),
    (Stoppage, {"reason": "flooded", "started_at": EARLIER, "ended_at": LATER}),
    *[(AuditEntry, _AUDIT)] * 2,
]

_ASKED = {
    "at": NOW,
    "chat_id": "2",
    "client_event_id": "c-1",
    "count": 2,
    "default_chat": "2",
    "event": "check_in",
    "head": 1,
    "id": 1,
    "key": "k",
    "key_hash": "h",
    "key_lineage": 1,
    "lane": "1",
    "lanes": ["1", "3"],
    "limit": 2,
    "lineage": 1,
    "name": "planning",
    "now": NOW,
    "old": NOW,
    "person_id": "ada",
    "reason": "unreachable",
}
_ASKED_OF: dict[str, dict[str, Any]] = {
    "attendance.audit.trail._insert": _AUDIT,
    "attendance.records.recording._insert": _RECORD,
    "attendance.records.idempotency._insert": {**_KEPT, "key": "another"},
    "attendance.outbox.queue._insert_message": _MESSAGE,
    "attendance.outbox.rate_limiter._consume": {"lane": "1", "starts_at": NOW},
    "attendance.outbox.settlement._insert_attempt": {
        "outbox_id": 1,
        "number": 1,
        "token": "t",
        "claimed_by": "here",
        "started_at": EARLIER,
        "ended_at": NOW,
        "outcome": "delivered",
        "error": None,
    },
    "attendance.outbox.settlement._change_one": {
        "message": 1,
        "mine": "t",
        "becomes": "sent",
        "error": None,
        "due": None,
        "settled": NOW,
        "sent": NOW,
        "receipt": 2**40,
        "uncounted": 0,
        "uncertain": 1,
        "tied": True,
        "apart": True,
    },
    "attendance.outbox.claim._take_one": {
        "message": 5,
        "new_token": "t2",
        "claimer": "here",
        "now": NOW,
        "lease_ends": LATER,
        "digest": None,
    },
}


def fill(connection: Connection) -> None:
    """Write a few rows into each table that our statements read."""
    for model, row in _ROWS:
        connection.execute(insert(model), row)


def asked(name: str, binds: set[str]) -> Mapping[str, Any]:
    """The values that the statement of this name is to be run with."""
    given = _ASKED_OF.get(name) or _ASKED
    return {bind: given[bind] for bind in binds}
