"""What auditors read of the trail."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    and_,
    func,
    or_,
    select,
)

from attendance.audit.canonical import stored
from attendance.audit.trail import AuditEntry
from attendance.db import read_all

COLUMNS = [stored(column) for column in AuditEntry.__table__.columns]
"""As they are stored: one text that is no time, which only a stranger writes, must not make all
other rows unreadable."""


@dataclass(frozen=True, slots=True)
class Filter:
    """All conditions that are given must hold. `actor` is an id or a name, `target` an id or
    `type:id`; the range of times includes `since` and excludes `until`."""

    actor: str | None = None
    action: str | None = None
    target: str | None = None
    outcome: str | None = None
    request_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None


def read(connection: Connection, query: Select[*tuple[Any, ...]]) -> list[dict[str, Any]]:
    """Read the rows that a query for `COLUMNS` finds. What is no readable text in them, which only
    a stranger can have written to a file, is shown as U+FFFD."""
    rows = read_all(connection, query)
    return [{name: _text(value) for name, value in row._asdict().items()} for row in rows]


def of_request(connection: Connection, request_id: str) -> list[dict[str, Any]]:
    """List the rows that one request has caused, the oldest first."""
    query = select(*COLUMNS).where(AuditEntry.request_id == request_id)
    return read(connection, query.order_by(AuditEntry.id))


def of_targets(connection: Connection, kind: str, ids: Sequence[str]) -> list[dict[str, Any]]:
    """List the rows about any of these targets of one type, in no particular order."""
    each = [and_(AuditEntry.target_type == kind, AuditEntry.target_id == one) for one in ids]
    return read(connection, select(*COLUMNS).where(or_(*each))) if each else []


def _text(value: Any) -> Any:
    return value.decode(errors="replace") if isinstance(value, bytes) else value


def entries(
    connection: Connection, chosen: Filter, *, before_id: int | None = None, limit: int = 100
) -> list[dict[str, Any]]:
    """List rows of the trail, the newest first, from below `before_id`."""
    conditions = _conditions(chosen)
    if before_id is not None:
        conditions.append(AuditEntry.id < before_id)
    query = select(*COLUMNS).where(*conditions).order_by(AuditEntry.id.desc())
    return read(connection, query.limit(limit))


def oldest(
    connection: Connection, chosen: Filter, *, after_id: int, last_id: int, limit: int
) -> list[dict[str, Any]]:
    """List the same rows, the oldest first, above `after_id` and up to `last_id`."""
    query = select(*COLUMNS).where(
        *_conditions(chosen), AuditEntry.id > after_id, AuditEntry.id <= last_id
    )
    return read(connection, query.order_by(AuditEntry.id).limit(limit))


def last_id(connection: Connection) -> int:
    """Return the id of the newest row; 0 if there are none."""
    return connection.scalar(select(func.max(AuditEntry.id))) or 0


def _conditions(chosen: Filter) -> list[ColumnElement[bool]]:
    """Turn each filter that is set into a condition."""
    equal = {
        AuditEntry.action: chosen.action,
        AuditEntry.outcome: chosen.outcome,
        AuditEntry.request_id: chosen.request_id,
    }
    conditions: list[ColumnElement[bool]] = [
        column == value for column, value in equal.items() if value is not None
    ]
    if chosen.actor is not None:
        actors = (AuditEntry.actor_id == chosen.actor, AuditEntry.actor_name == chosen.actor)
        conditions.append(or_(*actors))
    if chosen.target is not None:
        conditions.extend(_target(chosen.target))
    if chosen.since is not None:
        conditions.append(AuditEntry.occurred_at >= chosen.since)
    if chosen.until is not None:
        conditions.append(AuditEntry.occurred_at < chosen.until)
    return conditions


def _target(target: str) -> Sequence[ColumnElement[bool]]:
    target_type, colon, target_id = target.partition(":")
    if not colon:
        return (AuditEntry.target_id == target,)
    return (AuditEntry.target_type == target_type, AuditEntry.target_id == target_id)
