"""`/audit`: the trail, for auditors."""

from flask import Blueprint, Response
from sqlalchemy import Connection

from attendance import api_keys
from attendance.audit import export, listing
from attendance.web.auth import AuthenticatedRequest, audited_write, reader
from attendance.web.body import query
from attendance.web.failure_audit import stream
from attendance.web.pagination import page, position
from attendance.web.schemas import AuditExportQuery, AuditQuery
from attendance.web.services import services

blueprint = Blueprint("audit", __name__)


@blueprint.get("/audit")
@reader("auditor", "admin")
def list_() -> Response:
    asked = query(AuditQuery)
    chosen = listing.Filter(**asked.model_dump(exclude={"limit", "cursor"}))
    before = position("audit", asked.cursor)
    with services().database.snapshot() as connection:
        rows = listing.entries(
            connection, chosen, before_id=before[0] if before else None, limit=asked.limit + 1
        )
    return page("audit", rows, asked.limit, ("id",))


@blueprint.get("/audit/export")
@audited_write("audit.exported", "auditor", "admin")
def export_(call: AuthenticatedRequest) -> Response:
    """Stream the rows that match; the export is an act of its own in the trail."""
    asked = query(AuditExportQuery)
    chosen = listing.Filter(**asked.model_dump(exclude={"form", "raw"}))
    wanted = export.Export(chosen, asked.form, asked.raw)
    database = services().database

    def begin(connection: Connection) -> int:
        api_keys.note_use(connection, call.now, call.key)
        return export.begin(connection, call.now, call.context, wanted)

    return stream(
        "audit.exported",
        lambda: export.stream(database, wanted, database.write(begin)),
        **{
            "Content-Type": f"{export.MEDIA_TYPES[asked.form]}; charset=utf-8",
            "Content-Disposition": f"attachment; filename=audit.{asked.form}",
        },
    )
