"""Reading what was recorded."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, or_, select

from attendance.db import parse_utc
from attendance.models import Attendance, Event


@dataclass(frozen=True, slots=True)
class Filter:
    """All conditions that are given must hold. The times are of `occurred_at`: from `since`, which
    belongs to the range, to `until`, which does not."""

    person_id: str | None = None
    event: Event | None = None
    site: str | None = None
    group: str | None = None
    since: datetime | None = None
    until: datetime | None = None


def newest(
    connection: Connection, chosen: Filter, *, before: Sequence[Any] | None, limit: int
) -> list[dict[str, Any]]:
    """Records by the time they occurred, the latest first; `before` is the `occurred_at`, as text,
    and the `id` of the record after which to go on."""
    conditions = _conditions(chosen)
    if before is not None:
        conditions.append(_earlier_than(parse_utc(before[0]), before[1]))
    query = select(Attendance.__table__).where(*conditions)
    ordered = query.order_by(Attendance.occurred_at.desc(), Attendance.id.desc()).limit(limit)
    return [dict(row) for row in connection.execute(ordered).mappings()]


def one(connection: Connection, attendance_id: int) -> dict[str, Any] | None:
    query = select(Attendance.__table__).where(Attendance.id == attendance_id)
    row = connection.execute(query).mappings().first()
    return None if row is None else dict(row)


def _conditions(chosen: Filter) -> list[ColumnElement[bool]]:
    equal = {
        Attendance.person_id: chosen.person_id,
        Attendance.event: chosen.event,
        Attendance.site: chosen.site,
        Attendance.group_name: chosen.group,
    }
    conditions: list[ColumnElement[bool]] = [
        column == value for column, value in equal.items() if value is not None
    ]
    if chosen.since is not None:
        conditions.append(Attendance.occurred_at >= chosen.since)
    if chosen.until is not None:
        conditions.append(Attendance.occurred_at < chosen.until)
    return conditions


def _earlier_than(occurred_at: datetime, row_id: int) -> ColumnElement[bool]:
    tied = and_(Attendance.occurred_at == occurred_at, Attendance.id < row_id)
    return or_(Attendance.occurred_at < occurred_at, tied)
