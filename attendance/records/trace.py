"""Follow one request from the trail to its record, its messages, each attempt and the receipts."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, select

from attendance.audit import listing
from attendance.models import Attendance, Correction
from attendance.outbox import queries

_ATTENDANCE, _OUTBOX = "attendance", "outbox"


def follow(connection: Connection, request_id: str) -> dict[str, Any] | None:
    """Collect what one request led to; None if the trail knows no such request.

    `attendance` is what it recorded, found, corrected or may not correct, and what stands in its
    place; `messages` are those about it, each with its `attempt_list`; `audit` the rows of the
    request and of these messages.
    """
    rows = listing.of_request(connection, request_id)
    if not rows:
        return None
    record_ids = _with_successors(connection, _targets(rows, _ATTENDANCE))
    about = [
        message["id"]
        for record_id in record_ids
        for message in queries.about(connection, _ATTENDANCE, record_id)
    ]
    message_ids = sorted({*about, *map(int, _targets(rows, _OUTBOX))})
    # Under other requests: a retry by hand, and what came of it.
    later = listing.of_targets(connection, _OUTBOX, [str(one) for one in message_ids])
    by_id = {row["id"]: row for row in [*rows, *later]}
    found = (queries.message(connection, message_id) for message_id in message_ids)
    return {
        "request_id": request_id,
        "attendance": _records(connection, record_ids),
        "messages": [message for message in found if message is not None],
        "audit": [by_id[row_id] for row_id in sorted(by_id)],
    }


def _targets(rows: Sequence[dict[str, Any]], kind: str) -> list[str]:
    """Return the ids of one type that these rows are about."""
    # A refusal may be about a type and no id.
    about = (row["target_id"] for row in rows if row["target_type"] == kind)
    return sorted({one for one in about if one is not None})


def _with_successors(connection: Connection, ids: Sequence[str]) -> list[str]:
    """Add the records that stand in the place of these."""
    # The row of an amendment is about the record that was wrong, its message about the new one.
    found = [int(one) for one in ids]
    query = select(Correction.replaced_by).where(
        Correction.attendance_id.in_(found), Correction.replaced_by.is_not(None)
    )
    return [*ids, *map(str, connection.scalars(query.order_by(Correction.replaced_by)))]


def _records(connection: Connection, ids: Sequence[str]) -> list[dict[str, Any]]:
    query = select(Attendance.__table__).where(Attendance.id.in_([int(one) for one in ids]))
    return [dict(row) for row in connection.execute(query.order_by(Attendance.id)).mappings()]
