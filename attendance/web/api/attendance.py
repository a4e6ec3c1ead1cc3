"""`/attendance`: record one, read them."""

from flask import Blueprint, Response

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
    return act_once(call, body, lambda c: _answer(record_attendance(c, recording), shown))


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
@reader("admin", "auditor")
def one(attendance_id: int) -> Response:
    with services().database.snapshot() as connection:
        row = attendance_queries.one(connection, attendance_id)
        if row is None:
            raise Problem(404, "not_found", f"There is no attendance {attendance_id}.")
        messages = queries.about(connection, "attendance", str(attendance_id))
    return respond({**as_json(row), "notifications": messages})


def _answer(recorded: Recorded, shown: str) -> Answer:
    """Build the answer. `shown` is the new record as JSON, made before the writer's turn: it lacks
    the id."""
    row = recorded.attendance
    record = with_id(row["id"], shown) if recorded.created else row_json(as_json(row))
    said = texts.sentence(row["person_name"] or row["person_id"], row["event"])
    more = {"deduplicated": "true"} if recorded.deduplicated else {}
    body = success(said, record, recorded.notifications, **more)
    status = 201 if recorded.created else 200
    return Answer(status, body, location_of(row), repeat=recorded.repeat)
