"""Cutting the front of the trail off, whole seals of it, once an archive holds them."""

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, select

from attendance.audit.canonical import as_stored
from attendance.audit.trail import AuditEntry

ACTION = "audit.pruned"
_shown = as_stored(
    AuditEntry.__table__, ("id", "occurred_at", "actor_name", "target_id", "after_json")
)


def pruned_before(connection: Connection, seal: Mapping[str, Any]) -> dict[str, Any] | None:
    """What the trail says of the cut before `seal`, the first that is kept; None where it knows of
    none that fits."""
    query = select(*_shown).where(
        AuditEntry.target_type == "audit_seal",
        AuditEntry.target_id == str(seal["id"]),
        AuditEntry.action == ACTION,
    )
    for row in connection.execute(query.order_by(AuditEntry.id.desc())).mappings():
        cut = json.loads(row["after_json"])
        if (cut["prev_hash"], cut["first_seq"]) == (seal["prev_hash"], seal["first_seq"]):
            return {"audit_id": row["id"], "at": row["occurred_at"], "by": row["actor_name"], **cut}
    return None
