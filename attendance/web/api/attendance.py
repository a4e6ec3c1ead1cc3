"""`/attendance`: record one, read them."""

import hashlib
from datetime import timedelta
from typing import Any

from flask import Blueprint, Response, request
from sqlalchemy import Connection

from attendance import keys, notices, records
from attendance.idempotency import Answer, Ticket, once
from attendance.outbox import listing
from attendance.recording import (
    Entry,
    Notification,
    Recorded,
    Recording,
    Reporter,
    record_attendance,
)
from attendance.web.answers import dumps, page, position, respond
from attendance.web.body import query, raw_body
from attendance.web.calls import Call, reads, writes
from attendance.web.problems import Problem, invalid
from attendance.web.schemas import AttendanceIn, AttendanceQuery
from attendance.web.services import services

blueprint = Blueprint("attendance", __name__)

_FUTURE_ALLOWED = timedelta(minutes=5)
_ORDER = ("occurred_at", "id")


@blueprint.post("/attendance")
@writes("attendance.recorded", "frontend", "admin")
def post(call: Call) -> Response:
    """Record one event; the record, its message and its audit entry are on disk together."""
    made, body = services(), raw_body()
    entry = AttendanceIn.model_validate_json(body).as_entry()
    _refuse_the_future(entry, call)
    ticket = _ticket(call, body)
    reporter = Reporter(call.key.id, call.key.lineage)
    recording = Recording.of(call.now, entry, reporter, call.context, made.rules)
    shown = dumps(as_json(recording.row))

    def work(connection: Connection) -> Answer:
        def record() -> Answer:
            keys.note_use(connection, call.now, call.key)
            return _answer(record_attendance(connection, recording), shown)

        return once(connection, call.now, ticket, record)

    answer = made.database.write(work)
    made.wake.set()
    return _response(answer)


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


def as_json(row: dict[str, Any]) -> dict[str, Any]:
    """A record as clients see it."""
    hidden = {"group_name", "latitude", "longitude", "accuracy_m", "key_lineage", "key_id"}
    shown = {name: value for name, value in row.items() if name not in hidden}
    place = None
    if row["latitude"] is not None:
        place = {
            "lat": row["latitude"],
            "lon": row["longitude"],
            "accuracy_m": row["accuracy_m"],
        }
    return {**shown, "group": row["group_name"], "location": place}


def _refuse_the_future(entry: Entry, call: Call) -> None:
    if entry.occurred_at is not None and entry.occurred_at > call.now + _FUTURE_ALLOWED:
        raise invalid(
            "occurred_at", "in_the_future", "lies more than 5 minutes ahead: check the clock"
        )


def _ticket(call: Call, body: bytes) -> Ticket | None:
    header = request.headers.get("Idempotency-Key")
    if header is None:
        return None
    key = header.strip()
    if len(key) >= 2 and key[0] == key[-1] == '"':
        key = key[1:-1]
    if not 1 <= len(key) <= 255 or not key.isascii() or not key.isprintable():
        raise Problem(
            400, "invalid_idempotency_key", "Idempotency-Key takes 1 to 255 printable characters."
        )
    fingerprint = hashlib.sha256(request.path.encode() + b"\n" + body).hexdigest()
    return Ticket(call.key.lineage, key, fingerprint)


def _answer(recorded: Recorded, shown: str) -> Answer:
    """`shown` is the new record as JSON, made before the writer's turn: it lacks the id."""
    row = recorded.attendance
    record = f'{{"id":{row["id"]},{shown[1:]}' if recorded.created else dumps(as_json(row))
    parts = {
        "status": '"SUCCESS"',
        "message": dumps(notices.sentence(row["person_name"] or row["person_id"], row["event"])),
        "attendance": record,
        "notifications": dumps([_as_told(made) for made in recorded.notifications]),
    }
    if recorded.deduplicated:
        parts["deduplicated"] = "true"
    body = ",".join(f'"{name}":{value}' for name, value in parts.items())
    return Answer(201 if recorded.created else 200, f"{{{body}}}", f"/attendance/{row['id']}")


def _as_told(made: Notification) -> dict[str, Any]:
    return {"id": made.id, "chat_id": made.chat_id, "status": made.status}


def _response(answer: Answer) -> Response:
    response = Response(answer.body, answer.status, mimetype="application/json")
    if answer.location is not None:
        response.headers["Location"] = answer.location
    if answer.replayed:
        response.headers["Idempotent-Replayed"] = "true"
    return response
