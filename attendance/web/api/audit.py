"""`/audit`: the trail, for auditors."""

from flask import Blueprint, Response

from attendance.audit import listing
from attendance.web.answers import page, position
from attendance.web.body import query
from attendance.web.calls import reads
from attendance.web.schemas import AuditQuery
from attendance.web.services import services

blueprint = Blueprint("audit", __name__)


@blueprint.get("/audit")
@reads("auditor", "admin")
def list_() -> Response:
    asked = query(AuditQuery)
    chosen = listing.Filter(**asked.model_dump(exclude={"limit", "cursor"}))
    before = position("audit", asked.cursor)
    with services().database.read() as connection:
        rows = listing.entries(
            connection, chosen, before_id=before[0] if before else None, limit=asked.limit + 1
        )
    return page("audit", rows, asked.limit, ("id",))
