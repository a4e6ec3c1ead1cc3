"""`/attendance`: record one, read them."""

from typing import Any

from flask import Blueprint, Response, g

from attendance import api_keys
from attendance.db.fast.row_json import row_json
from attendance.notifications import texts
from attendance.outbox import queries
from attendance.records import queries as attendance_queries
from attendance.records.idempotency import Answer
from attendance.records.recording import Recorded, Recording, Reporter, record_attendance
from attendance.web.attendance_json import as_json, location_of, refuse_the_future
from attendance.web.auth import AuthenticatedRequest, audited_write, reader
from attendance.web.body import parsed, query, raw_body
from attendance.web.fast.spliced_json import success, with_id
from attendance.web.idempotent import act_once
from attendance.web.pagination import page, position, respond
from attendance.web.problems import Problem
from attendance.web.schemas import AttendanceIn, AttendanceQuery
from attendance.web.services import services

blueprint = Blueprint("attendance", __name__)

_ORDER = ("occurred_at", "id")


@blueprint.post("/attendance")
@audited_write("attendance.recorded", "frontend", "admin")
def post(call: AuthenticatedRequest) -> Response:
    """Record one event; the record, its message and its audit entry are on disk together."""
    body = raw_body()
    entry = parsed(AttendanceIn, body).as_entry()
    refuse_the_future(entry.occurred_at, call)
    reporter = Reporter(call.key.id, call.key.lineage)
    rules, has_room = services().rules, services().throttle.has_room
    recording = Recording.of(call.now, entry, reporter, call.context, rules, has_room)
    shown = row_json(as_json(recording.row))
    return act_once(
        call,
        body,
        lambda c: _answer(record_attendance(c, recording), recording.row, shown, call.key),
    )


@blueprint.get("/attendance")
@reader("admin", "auditor")
def list_() -> Response:
    asked = query(AttendanceQuery)
    chosen = attendance_queries.Filter(
        person_id=asked.person_id,
        event=asked.event,
        site=asked.site,
        group=asked.group,
        since=asked.since,
        until=asked.until,
    )
    before = position("attendance", asked.cursor)
    with services().database.snapshot() as connection:
        rows = attendance_queries.newest(connection, chosen, before=before, limit=asked.limit + 1)
    return page("attendance", [as_json(row) for row in rows], asked.limit, _ORDER)


@blueprint.get("/attendance/<id:attendance_id>")
@reader("frontend", "admin", "auditor")
def one(attendance_id: int) -> Response:
    """Show a record with its messages; to a frontend one that it has reported itself."""
    with services().database.snapshot() as connection:
        row = attendance_queries.one(connection, attendance_id)
        if row is None:
            raise Problem(404, "not_found", f"There is no attendance {attendance_id}.")
        if g.key.role == "frontend" and row["key_lineage"] != g.key.lineage:
            raise Problem(403, "not_your_record", "Another key has reported this record.")
        messages = queries.about(connection, "attendance", str(attendance_id))
    return respond({**as_json(row), "notifications": messages})


def _answer(recorded: Recorded, said: dict[str, Any], shown: str, key: api_keys.Key) -> Answer:
    """Build the answer. `said` is the new record, and `shown` the same as JSON, made before the
    writer's turn: both lack the id.

    Where the duplicate window meets a record of another frontend, its answer holds no more of that
    than the id.
    """
    row = recorded.attendance
    is_another_s = key.role == "frontend" and row["key_lineage"] != key.lineage
    if recorded.created or is_another_s:
        record = with_id(row["id"], shown)
    else:
        record, said = row_json(as_json(row)), row
    sentence = texts.sentence(said["person_name"] or said["person_id"], said["event"])
    more = {"deduplicated": "true"} if recorded.deduplicated else {}
    body = success(sentence, record, recorded.notifications, **more)
    status = 201 if recorded.created else 200
    return Answer(status, body, location_of(row), repeat=recorded.repeat)
