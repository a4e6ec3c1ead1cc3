"""`/attendance`: record one, read them."""

from flask import Blueprint, Response

from attendance import notices, records
from attendance.idempotency import Answer
from attendance.outbox import listing
from attendance.recording import Recorded, Recording, Reporter, record_attendance
from attendance.row_json import row_json
from attendance.web.answers import page, position, respond
from attendance.web.body import parsed, query, raw_body
from attendance.web.calls import Call, reads, writes
from attendance.web.idempotent import act_once
from attendance.web.problems import Problem
from attendance.web.record import address, as_json, refuse_the_future, success
from attendance.web.schemas import AttendanceIn, AttendanceQuery
from attendance.web.services import services

blueprint = Blueprint("attendance", __name__)

_ORDER = ("occurred_at", "id")


@blueprint.post("/attendance")
@writes("attendance.recorded", "frontend", "admin")
def post(call: Call) -> Response:
    """Record one event; the record, its message and its audit entry are on disk together."""
    body = raw_body()
    entry = parsed(AttendanceIn, body).as_entry()
    refuse_the_future(entry.occurred_at, call)
    reporter = Reporter(call.key.id, call.key.lineage)
    recording = Recording.of(call.now, entry, reporter, call.context, services().rules)
    shown = row_json(as_json(recording.row))
    return act_once(call, body, lambda c: _answer(record_attendance(c, recording), shown))


@blueprint.get("/attendance")
@reads("admin", "auditor")
def list_() -> Response:
    asked = query(AttendanceQuery)
    chosen = records.Filter(
        person_id=asked.person_id,
        event=asked.event,
        site=asked.site,
        group=asked.group,
        since=asked.since,
        until=asked.until,
    )
    before = position("attendance", asked.cursor)
    with services().database.read() as connection:
        rows = records.newest(connection, chosen, before=before, limit=asked.limit + 1)
    return page("attendance", [as_json(row) for row in rows], asked.limit, _ORDER)


@blueprint.get("/attendance/<id:attendance_id>")
@reads("admin", "auditor")
def one(attendance_id: int) -> Response:
    with services().database.read() as connection:
        row = records.one(connection, attendance_id)
        if row is None:
            raise Problem(404, "not_found", f"There is no attendance {attendance_id}.")
        messages = listing.about(connection, "attendance", str(attendance_id))
    return respond({**as_json(row), "notifications": messages})


def _answer(recorded: Recorded, shown: str) -> Answer:
    """`shown` is the new record as JSON, made before the writer's turn: it lacks the id."""
    row = recorded.attendance
    record = f'{{"id":{row["id"]},{shown[1:]}' if recorded.created else row_json(as_json(row))
    said = notices.sentence(row["person_name"] or row["person_id"], row["event"])
    more = {"deduplicated": "true"} if recorded.deduplicated else {}
    body = success(said, record, recorded.notifications, **more)
    return Answer(201 if recorded.created else 200, body, address(row))
