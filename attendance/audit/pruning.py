"""Cut off the front of the trail, whole seals of it, once an archive holds them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, func, or_, select

from attendance.audit import seals, triggers
from attendance.audit.canonical import as_stored, plain
from attendance.audit.seals import AuditLeaf, AuditSeal
from attendance.audit.trail import AuditEntry, Context, append
from attendance.db import read_all

ACTION = "audit.pruned"
_ROWS_A_STEP = 20_000
"""Deleted in one transaction, for which all writers wait."""

_shown = as_stored(
    AuditEntry.__table__, ("id", "occurred_at", "actor_name", "target_id", "after_json")
)


def pruned_before(connection: Connection, seal: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return what the trail says of the cut before `seal`, the first that is kept; None if it knows
    of no cut that fits."""
    query = select(*_shown).where(
        AuditEntry.target_type == "audit_seal",
        AuditEntry.target_id == str(seal["id"]),
        AuditEntry.action == ACTION,
    )
    for found in read_all(connection, query.order_by(AuditEntry.id.desc())):
        row = found._asdict()
        cut = _said(row["after_json"])
        place = cut.get("prev_hash"), cut.get("first_seq")
        if place == (seal["prev_hash"], seal["first_seq"]):
            return {
                "audit_id": row["id"],
                "at": plain(row)["occurred_at"],
                "by": row["actor_name"],
                **cut,
            }
    return None


def _said(after_json: Any) -> dict[str, Any]:
    """Read what the row says; empty if somebody has spoilt it."""
    try:
        said = json.loads(after_json)
    except (TypeError, ValueError):
        return {}
    return said if isinstance(said, dict) else {}


@dataclass(frozen=True, slots=True)
class Cut:
    """What is to go: the seals from `first_id` on that come before `kept`, the first to stay."""

    first_id: int
    kept: Mapping[str, Any]

    @property
    def last_id(self) -> int:
        return int(self.kept["id"]) - 1


def plan(connection: Connection, before: datetime) -> Cut | None:
    """Plan to cut the seals made before that time, from the front, without a gap; None if there are
    none."""
    newest = seals.head(connection)
    if newest is None:
        return None
    # The newest always stays: the next one has to name it.
    young = or_(AuditSeal.sealed_at >= before, AuditSeal.id == newest["id"])
    kept_id = connection.scalar(select(func.min(AuditSeal.id)).where(young))
    first_id = seals.first_id(connection)
    kept = None if kept_id is None else seals.one(connection, kept_id)
    if kept is None or first_id is None or first_id >= kept["id"]:
        return None
    return Cut(first_id, kept)


def first_step(connection: Connection, cut: Cut) -> Cut:
    """Return as much of the cut's front as may go in one transaction, at least one seal."""
    first = seals.one(connection, cut.first_id)
    if first is None:
        return cut
    near = AuditSeal.first_seq <= first["first_seq"] + _ROWS_A_STEP
    last = connection.scalar(select(func.max(AuditSeal.id)).where(near)) or 0
    kept_id = max(last, cut.first_id + 1)
    kept = None if kept_id >= cut.kept["id"] else seals.one(connection, kept_id)
    return cut if kept is None else Cut(cut.first_id, kept)


def carry_out(
    connection: Connection,
    now: datetime,
    context: Context,
    cut: Cut,
    archive: Mapping[str, Any],
) -> int | None:
    """Delete what the archive holds, note that in the trail, and return how many rows there were.
    None, and nothing is deleted, if somebody else has cut meanwhile.

    If it fails in between, the whole transaction is undone, and the triggers are there again.
    """
    if seals.first_id(connection) != cut.first_id:
        return None
    first_seq = cut.kept["first_seq"]
    gone = select(AuditLeaf.audit_id).where(AuditLeaf.seq < first_seq)
    with triggers.deletion_allowed(connection):
        rows = connection.execute(delete(AuditEntry).where(AuditEntry.id.in_(gone))).rowcount
        connection.execute(delete(AuditLeaf).where(AuditLeaf.seq < first_seq))
        connection.execute(delete(AuditSeal).where(AuditSeal.id < cut.kept["id"]))
    after = {
        "first_seal": cut.kept["id"],
        "first_seq": first_seq,
        "prev_hash": cut.kept["prev_hash"],
        "rows": rows,
        **archive,
    }
    append(connection, now, context, ACTION, target=("audit_seal", cut.kept["id"]), after=after)
    return rows
