"""Correct a record: make it void, or put another in its place. The record itself never changes.

Commits nothing: the caller runs it inside `Database.write`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, insert, select

from attendance import audit
from attendance.config.secrets import without_passwords
from attendance.models import Attendance, Correction
from attendance.notifications import texts
from attendance.notifications.routing import (
    Destination,
    Notification,
    destinations,
    once_each,
    tell,
    told_of,
)
from attendance.records import queries as attendance_queries
from attendance.records.recording import Entry, Reporter, Rules, as_said, row_of

OWN_WITHIN = timedelta(seconds=60)
"""For this long after it was received, whoever reported a record may void it."""

_TARGET = "attendance"

Record = dict[str, Any]


class NoSuchRecord(Exception):
    """There is no record of that id."""


class NotYourRecord(Exception):
    """It was reported with another key."""


class TooLate(Exception):
    """Whoever reported it could have voided it sooner."""


class AlreadyCorrected(Exception):
    """It is void already, or another stands in its place."""


class NothingToAmend(Exception):
    """The record already says what it is to say."""


@dataclass(frozen=True, slots=True)
class Order:
    """Who corrects which record, when, and why."""

    now: datetime
    attendance_id: int
    reason: str
    reporter: Reporter
    context: audit.Context
    rules: Rules


@dataclass(frozen=True, slots=True)
class Corrected:
    """`attendance` is the record that is void, or the one that stands in the other's place, as
    `queries.one` returns it."""

    attendance: Record
    notifications: tuple[Notification, ...]


def void(connection: Connection, order: Order, *, only_own: bool) -> Corrected:
    """Make a record void. With `only_own`, only one of the same key's lineage, soon after it came.

    Raises:
        NoSuchRecord, NotYourRecord, TooLate, AlreadyCorrected: nothing was changed.
    """
    found = _locked(connection, order.attendance_id)
    if only_own:
        _require_own(found, order)
    _require_standing(found)
    _correct(connection, order, replaced_by=None)
    after = _read(connection, order.attendance_id)
    _audit(connection, order, "attendance.voided", found, after)
    text = texts.void_message(after, order.reason)
    return Corrected(after, _tell(connection, order, text, after, [after]))


def amend(connection: Connection, order: Order, changes: Mapping[str, Any]) -> Corrected:
    """Put a new record in the place of one, from which it differs by `changes`: valid fields of an
    `Entry`.

    Raises:
        NoSuchRecord, AlreadyCorrected, NothingToAmend: nothing was changed.
    """
    found = _locked(connection, order.attendance_id)
    _require_standing(found)
    row = _amended(found, order, changes)
    new = insert(Attendance).values(**_columns_of(row)).returning(Attendance.id)
    new_id = connection.execute(new).scalar_one()
    _correct(connection, order, replaced_by=new_id)
    after = _read(connection, new_id)
    _audit(connection, order, "attendance.amended", found, after)
    text = texts.amended_message(found, after, order.reason)
    return Corrected(after, _tell(connection, order, text, after, [found, after]))


def _locked(connection: Connection, attendance_id: int) -> Record:
    """Read the record, and keep everybody else from correcting it until this transaction ends."""
    lock = select(Attendance.id).where(Attendance.id == attendance_id).with_for_update()
    if connection.scalar(lock) is None:
        raise NoSuchRecord(f"There is no attendance {attendance_id}.")
    # Read after the lock, and not with it: what another did while we waited is seen.
    return _read(connection, attendance_id)


def _read(connection: Connection, attendance_id: int) -> Record:
    record = attendance_queries.one(connection, attendance_id)
    assert record is not None  # noqa: S101 - records are never deleted
    return record


def _require_own(record: Record, order: Order) -> None:
    if record["key_lineage"] != order.reporter.key_lineage:
        raise NotYourRecord(
            f"Attendance {record['id']} was reported with another key: ask an admin to void it."
        )
    if order.now - record["received_at"] > OWN_WITHIN:
        raise TooLate(
            f"Attendance {record['id']} was received more than {OWN_WITHIN.seconds} seconds ago: "
            "ask an admin to void it."
        )


def _require_standing(record: Record) -> None:
    if record["replaced_by"] is not None:
        raise AlreadyCorrected(
            f"Attendance {record['id']} was amended: correct {record['replaced_by']}, "
            "which stands in its place."
        )
    if record["corrected_at"] is not None:
        raise AlreadyCorrected(f"Attendance {record['id']} is void already.")


def _amended(record: Record, order: Order, changes: Mapping[str, Any]) -> Record:
    """Make the new row, without its id; a client's own id of the event stays with the original."""
    said = _entry_of(record)
    right = replace(said, **changes)
    if right == said:
        raise NothingToAmend(
            f"Attendance {record['id']} says so already: send a field with another value."
        )
    return row_of(right, order.reporter, order.now, order.context, order.rules)


def _entry_of(record: Record) -> Entry:
    same = ("person_id", "event", "person_name", "occurred_at", "site", "device", "note")
    place = ("latitude", "longitude", "accuracy_m")
    return Entry(
        timezone=ZoneInfo(record["timezone"]),
        group=record["group_name"],
        **{name: record[name] for name in (*same, *place)},
    )


def _columns_of(row: Record) -> Record:
    return {
        name: value for name, value in row.items() if name not in attendance_queries.UNCORRECTED
    }


def _correct(connection: Connection, order: Order, *, replaced_by: int | None) -> None:
    correction = {
        "attendance_id": order.attendance_id,
        "replaced_by": replaced_by,
        "reason": without_passwords(order.reason),
        "corrected_at": order.now,
        "key_id": order.reporter.key_id,
        "request_id": order.context.request_id,
    }
    connection.execute(insert(Correction).values(**correction))


def _audit(
    connection: Connection, order: Order, action: str, before: Record, after: Record
) -> None:
    """Audit the correction of the record: what it said, and what is there now."""
    audit.append(
        connection,
        order.now,
        order.context,
        action,
        target=(_TARGET, order.attendance_id),
        reason=order.reason,
        before=as_said(before),
        after=as_said(after),
    )


def _tell(
    connection: Connection, order: Order, text: str, subject: Record, concerned: list[Record]
) -> tuple[Notification, ...]:
    """Tell each place once that is told of any of these records, or was told of the wrong one."""
    default_chat, found = order.rules.default_chat, list[Destination]()
    for record in concerned:
        conditions = (record["site"], record["group_name"], record["event"])
        found += destinations(connection, default_chat, *conditions)
    found += told_of(connection, default_chat, _TARGET, str(order.attendance_id))
    places = once_each(connection, found)
    about = (_TARGET, str(subject["id"]), order.context.request_id)
    return tell(connection, order.now, places, text, texts.in_one_line(text), about)
