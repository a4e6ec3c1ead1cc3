"""Record an attendance: write the record, its messages and its audit row through one connection.

Commits nothing: the caller runs it inside `Database.write`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, bindparam, insert, select

from attendance import audit
from attendance.audit.throttle import REPEATED, Kind, Repeat
from attendance.db import Prepared, advisory_lock
from attendance.models import Attendance, ClientEvent, Event
from attendance.notifications.routing import Notification, destinations, tell
from attendance.notifications.texts import Notices, attendance_line
from attendance.records import queries as attendance_queries

_table = Attendance.__table__
_ACTION = "attendance.recorded"
_TARGET = "attendance"


class ClientEventConflict(Exception):
    """A `client_event_id` came again with another person, event or time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What a client says. Without `occurred_at` it happened when it arrived."""

    person_id: str
    event: Event
    person_name: str | None = None
    occurred_at: datetime | None = None
    timezone: ZoneInfo | None = None
    site: str | None = None
    group: str | None = None
    device: str | None = None
    note: str | None = None
    latitude: float | None = None
    longitude: float | None = None
    accuracy_m: float | None = None
    client_event_id: str | None = None


@dataclass(frozen=True, slots=True)
class Rules:
    """What the operator decides about recording."""

    default_chat: str | None
    dedupe_seconds: float
    timezone: ZoneInfo
    notices: Notices = field(default_factory=Notices)


@dataclass(frozen=True, slots=True)
class Reporter:
    """Whose key reported the entry; its lineage scopes the client's own ids."""

    key_id: int
    key_lineage: int


@dataclass(frozen=True, slots=True)
class Recorded:
    """`attendance` is the record as `queries.one` returns it. It was there already if `created` is
    false; `deduplicated` then tells the duplicate window from a known `client_event_id`, and
    `repeat` is to be counted after the commit."""

    attendance: dict[str, Any]
    notifications: tuple[Notification, ...] = ()
    created: bool = True
    deduplicated: bool = False
    repeat: Repeat | None = None


@dataclass(frozen=True, slots=True)
class Recording:
    """An entry with all that recording it takes, except what only the database knows. `row` lacks
    only its id; `text` and `line` are what chats are told; `has_room` tells whether a repeat of
    what is known gets a row of its own in the trail."""

    # All of this is made before the transaction: all processes queue for the writer's turn, and
    # everybody pays for what is computed within it.

    now: datetime
    entry: Entry
    context: audit.Context
    rules: Rules
    row: dict[str, Any]
    text: str
    line: str
    audited: audit.Entry
    has_room: Callable[[Kind], bool]

    @classmethod
    def of(
        cls,
        now: datetime,
        entry: Entry,
        reporter: Reporter,
        context: audit.Context,
        rules: Rules,
        has_room: Callable[[Kind], bool] = lambda _: True,
    ) -> "Recording":
        row = row_of(entry, reporter, now, context, rules)
        text, line = rules.notices.message(row), attendance_line(row)
        audited = audit.entry(now, context, _ACTION, _TARGET, after=as_said(row))
        return cls(now, entry, context, rules, row, text, line, audited, has_room)


def record_attendance(connection: Connection, recording: Recording) -> Recorded:
    """Record an entry and queue its messages, unless it is known already.

    Raises:
        ClientEventConflict: the entry contradicts an earlier one of the same `client_event_id`.
    """
    known = _with_client_event_id(connection, recording)
    if known is not None:
        return _already(connection, recording, known, deduplicated=False)
    twin = _within_duplicate_window(connection, recording)
    if twin is not None:
        _remember_client_event(connection, recording, twin["id"])
        return _already(connection, recording, twin, deduplicated=True)
    row = {"id": _insert.inserted(connection, recording.row), **recording.row}
    _remember_client_event(connection, recording, row["id"])
    notifications = _notify(connection, recording, row["id"])
    recording.audited.append(connection, row["id"])
    return Recorded(row, notifications)


_insert = Prepared(
    insert(_table),  # type: ignore[arg-type]  # a Table, declared as FromClause
    *(column.name for column in _table.c if column.name != "id"),
)
_insert_client_event = insert(ClientEvent.__table__)  # type: ignore[arg-type]
_by_client_event_id = Prepared(
    select(_table, ClientEvent.occurred_at.label("said_at"))
    .join(ClientEvent, ClientEvent.attendance_id == Attendance.id)
    .where(
        ClientEvent.key_lineage == bindparam("lineage"),
        ClientEvent.client_event_id == bindparam("client_event_id"),
    )
)
_latest_of_person = Prepared(
    select(_table)
    .where(Attendance.person_id == bindparam("person_id"), attendance_queries.STANDS)
    .order_by(Attendance.occurred_at.desc(), Attendance.id.desc())
    .limit(1)
)


def _with_client_event_id(connection: Connection, recording: Recording) -> dict[str, Any] | None:
    entry = recording.entry
    if entry.client_event_id is None:
        return None
    lineage = recording.row["key_lineage"]
    key = {"lineage": lineage, "client_event_id": entry.client_event_id}
    known = _first(connection, _by_client_event_id, key)
    if known is None:
        return None
    said_at = known.pop("said_at") or known["occurred_at"]
    same = (known["person_id"], known["event"]) == (entry.person_id, entry.event)
    if not same or entry.occurred_at not in {None, said_at}:
        raise ClientEventConflict(entry.client_event_id)
    return known


def _remember_client_event(
    connection: Connection, recording: Recording, attendance_id: int
) -> None:
    """Keep the client's id of the event, beside the record."""
    # Not in it: the duplicate window may answer this event with the record of another.
    entry = recording.entry
    if entry.client_event_id is not None:
        event = {
            "key_lineage": recording.row["key_lineage"],
            "client_event_id": entry.client_event_id,
            "attendance_id": attendance_id,
            "occurred_at": entry.occurred_at,
        }
        connection.execute(_insert_client_event, event)


def _within_duplicate_window(connection: Connection, recording: Recording) -> dict[str, Any] | None:
    """Find the person's latest record that stands, if it says the same and lies near in time."""
    row, rules = recording.row, recording.rules
    if not rules.dedupe_seconds:
        return None
    advisory_lock(connection, f"person {row['person_id']}")
    latest = _first(connection, _latest_of_person, {"person_id": row["person_id"]})
    if latest is None or latest["event"] != row["event"]:
        return None
    apart = abs(latest["occurred_at"] - row["occurred_at"])
    return latest if apart <= timedelta(seconds=rules.dedupe_seconds) else None


def _first(
    connection: Connection, query: Prepared, values: dict[str, Any]
) -> dict[str, Any] | None:
    row = query.first(connection, values)
    return None if row is None else row._asdict()


def _already(
    connection: Connection, recording: Recording, known: dict[str, Any], *, deduplicated: bool
) -> Recorded:
    context, outcome = recording.context, "deduplicated" if deduplicated else "known"
    kind = Kind(_ACTION, REPEATED, outcome, context.actor, context.source_ip)
    has_row, target = recording.has_room(kind), (_TARGET, known["id"])
    if has_row:
        audit.append(connection, recording.now, context, _ACTION, outcome=outcome, target=target)
    found = attendance_queries.one(connection, known["id"]) or known
    repeat = Repeat(kind, has_row)
    return Recorded(found, created=False, deduplicated=deduplicated, repeat=repeat)


def row_of(
    entry: Entry, reporter: Reporter, now: datetime, context: audit.Context, rules: Rules
) -> dict[str, Any]:
    """Make the record that an entry becomes, without its id."""
    zone = entry.timezone or rules.timezone
    occurred_at = entry.occurred_at or now
    return {
        "person_id": entry.person_id,
        "person_name": entry.person_name,
        "event": entry.event,
        "occurred_at": occurred_at,
        "received_at": now,
        "timezone": zone.key,
        "local_date": occurred_at.astimezone(zone).date(),
        "site": entry.site,
        "group_name": entry.group,
        "device": entry.device,
        "note": entry.note,
        "latitude": entry.latitude,
        "longitude": entry.longitude,
        "accuracy_m": entry.accuracy_m,
        "client_event_id": entry.client_event_id,
        "key_lineage": reporter.key_lineage,
        "key_id": reporter.key_id,
        "request_id": context.request_id,
        **attendance_queries.UNCORRECTED,
    }


def _notify(
    connection: Connection, recording: Recording, attendance_id: int
) -> tuple[Notification, ...]:
    """Queue a message to each chat, or topic, that is to be told."""
    row = recording.row
    places = destinations(
        connection, recording.rules.default_chat, row["site"], row["group_name"], row["event"]
    )
    subject = (_TARGET, str(attendance_id), row["request_id"])
    return tell(connection, recording.now, places, recording.text, recording.line, subject)


def as_said(row: dict[str, Any]) -> dict[str, Any]:
    """Reduce the row to what the audit trail keeps: what is not empty."""
    return {name: value for name, value in row.items() if value is not None}
