"""Read what was recorded, and what became of it.

A record is a dictionary of its columns and of what `UNCORRECTED` names.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, bindparam, exists, or_, select
from sqlalchemy.orm import aliased

from attendance.db import Prepared, parse_utc
from attendance.models import Attendance, Correction, Event

UNCORRECTED = dict.fromkeys(("corrected_at", "correction_reason", "replaced_by", "replaces"))
"""What a new record has none of: when and why it was corrected, which record stands in its place
(none if it is void), and in whose place it stands itself."""

STANDS: ColumnElement[bool] = ~exists().where(Correction.attendance_id == Attendance.id)
"""Neither void nor amended: what counts where records are counted."""

_own, _former = aliased(Correction), aliased(Correction)
_records = (
    select(
        Attendance.__table__,
        _own.corrected_at,
        _own.reason.label("correction_reason"),
        _own.replaced_by,
        _former.attendance_id.label("replaces"),
    )
    .outerjoin(_own, _own.attendance_id == Attendance.id)
    .outerjoin(_former, _former.replaced_by == Attendance.id)
)
_one = Prepared(_records.where(Attendance.id == bindparam("id")))


@dataclass(frozen=True, slots=True)
class Filter:
    """All conditions that are given must hold. The range of times is of `occurred_at`; it includes
    `since` and excludes `until`."""

    person_id: str | None = None
    event: Event | None = None
    site: str | None = None
    group: str | None = None
    since: datetime | None = None
    until: datetime | None = None


def newest(
    connection: Connection, chosen: Filter, *, before: Sequence[Any] | None, limit: int
) -> list[dict[str, Any]]:
    """List records by the time they occurred, the latest first. `before` is the `occurred_at`, as
    text, and the `id` of the record after which to go on."""
    conditions = _conditions(chosen)
    if before is not None:
        conditions.append(_earlier_than(parse_utc(before[0]), before[1]))
    query = _records.where(*conditions)
    ordered = query.order_by(Attendance.occurred_at.desc(), Attendance.id.desc()).limit(limit)
    return [dict(row) for row in connection.execute(ordered).mappings()]


def one(connection: Connection, attendance_id: int) -> dict[str, Any] | None:
    row = _one.first(connection, {"id": attendance_id})
    return None if row is None else row._asdict()


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
