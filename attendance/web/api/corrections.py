"""`/attendance/{id}/void` and `…/amend`: put right what was recorded. The original stays."""

from flask import Blueprint, Response

from attendance.db.fast.row_json import row_json
from attendance.notifications import texts
from attendance.records.corrections import Corrected, Order, amend, void
from attendance.records.idempotency import Answer
from attendance.records.recording import Reporter
from attendance.web.attendance_json import as_json, location_of, refuse_the_future
from attendance.web.auth import AuthenticatedRequest, audited_write
from attendance.web.body import parsed, raw_body
from attendance.web.fast.spliced_json import success
from attendance.web.idempotent import act_once
from attendance.web.schemas import AmendIn, VoidIn
from attendance.web.services import services

blueprint = Blueprint("corrections", __name__)


@blueprint.post("/attendance/<id:attendance_id>/void")
@audited_write("attendance.voided", "frontend", "admin")
def void_(call: AuthenticatedRequest, attendance_id: int) -> Response:
    """Void a record: an admin any, a frontend what it has just reported itself."""
    body = raw_body()
    order = _order(call, attendance_id, parsed(VoidIn, body).reason)
    only_own = call.key.role == "frontend"
    return act_once(call, body, lambda c: _answer(200, "Void", void(c, order, only_own=only_own)))


@blueprint.post("/attendance/<id:attendance_id>/amend")
@audited_write("attendance.amended", "admin")
def amend_(call: AuthenticatedRequest, attendance_id: int) -> Response:
    """Put a new record in the place of this one."""
    body = raw_body()
    asked = parsed(AmendIn, body)
    refuse_the_future(asked.occurred_at, call)
    order, changes = _order(call, attendance_id, asked.reason), asked.changes()
    return act_once(call, body, lambda c: _answer(201, "Corrected", amend(c, order, changes)))


def _order(call: AuthenticatedRequest, attendance_id: int, reason: str) -> Order:
    reporter = Reporter(call.key.id, call.key.lineage)
    return Order(call.now, attendance_id, reason, reporter, call.context, services().rules)


def _answer(status: int, what: str, corrected: Corrected) -> Answer:
    row = corrected.attendance
    said = texts.sentence(row["person_name"] or row["person_id"], row["event"])
    shown = row_json(as_json(row))
    return Answer(
        status, success(f"{what}: {said}", shown, corrected.notifications), location_of(row)
    )
