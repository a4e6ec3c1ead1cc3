"""The whole trail recomputed, and what does not fit named."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, func, or_, select

from attendance.audit import pruning, seals
from attendance.audit.canonical import as_stored
from attendance.audit.checkpoint import Checkpoint
from attendance.audit.report import Report
from attendance.audit.seals import AuditLeaf, AuditSeal
from attendance.audit.stored import Progress, paired, read_leaves, read_seals
from attendance.audit.trail import AuditEntry
from attendance.audit.walk import Walk
from attendance.db import Database, parse_utc
from attendance.secret import Secret

_OLD_AFTER = timedelta(seconds=60)


class CannotVerify(Exception):
    """What was asked for cannot be verified; the message says why."""


@dataclass(frozen=True, slots=True)
class Scope:
    """From which seal on, with which key, and against which anchors."""

    since: int | None = None
    key: Secret | None = None
    anchors: Sequence[Checkpoint] = ()


def rows_to_verify(database: Database) -> int:
    """How many rows are sealed: for a progress bar."""
    with database.read() as connection:
        return connection.scalar(select(func.count()).select_from(AuditLeaf)) or 0


def verify(database: Database, scope: Scope, progress: Progress = lambda _: None) -> Report:
    """Recompute every hash, and name what does not fit. `progress` is told of rows as they are
    read.

    Raises:
        CannotVerify: there is no seal `since`, or the trail was pruned meanwhile.
    """
    report = Report()
    walk = Walk(report, scope.key, scope.anchors)
    with database.read() as connection:
        report.head = seals.head(connection)
        first = _begin(connection, report, walk, scope.since)
    if report.head is not None:
        last = report.head["id"], report.head["last_seq"]
        found = read_seals(database, walk.seal_id, last[0])
        leaves = read_leaves(database, walk.seq, last[1], progress)
        for seal, under in paired(found, leaves):
            walk.check(seal, under)
    walk.finish()
    with database.read() as connection:
        if seals.first_id(connection) != first:
            raise CannotVerify("The trail was pruned while it was read: verify it again.")
        _check_the_rest(connection, report)
    return report


def _begin(connection: Connection, report: Report, walk: Walk, since: int | None) -> int | None:
    """Set the walk to the seal that comes first; the id of the oldest seal that there is."""
    oldest = seals.first_id(connection)
    if since is not None and seals.one(connection, since) is None:
        raise CannotVerify(f"There is no seal {since}.")
    start = oldest if since is None else since
    seal = None if start is None else seals.one(connection, start)
    if seal is None or start == 1:
        return oldest
    before = seals.one(connection, seal["id"] - 1)
    walk.begin_with(seal)
    if before is not None:
        walk.prev_hash = before["hash"]
    else:
        report.pruned = pruning.pruned_before(connection, seal)
        if report.pruned is None:
            detail = f"the seals before {seal['id']} are gone, and no `audit prune` cut them"
            report.add("truncated", detail)
    return oldest


def _check_the_rest(connection: Connection, report: Report) -> None:
    """What no seal leads to: seals that share one before them, leaves and rows under none."""
    for prev_hash in connection.scalars(_forks):
        report.add("fork", f"several seals follow the seal with the hash {prev_hash}")
    for seq in connection.scalars(_stray):
        report.add("seal_broken", f"leaf {seq} is under no seal")
    report.unsealed = seals.count_unsealed(connection, above_id=0)
    caught_up = _time_of(connection.scalar(_newest_without_backlog)) if report.unsealed else None
    if caught_up is not None:
        old = seals.unsealed([AuditEntry.id], above_id=0).where(
            AuditEntry.occurred_at < caught_up - _OLD_AFTER
        )
        for row_id in connection.scalars(old):
            report.add("unsealed_old", f"row {row_id} is older than the newest seal, and unsealed")


def _time_of(stored: Any) -> datetime | None:
    """None also for what a stranger wrote in a time's place: the seal's hash tells of that."""
    try:
        return stored if isinstance(stored, datetime) else parse_utc(stored)
    except (TypeError, ValueError):
        return None


_forks = select(AuditSeal.prev_hash).group_by(AuditSeal.prev_hash).having(func.count() > 1)
_first = select(func.min(AuditSeal.first_seq)).scalar_subquery()
_last = select(func.coalesce(func.max(AuditSeal.last_seq), 0)).scalar_subquery()
_stray = select(AuditLeaf.seq).where(or_(AuditLeaf.seq < _first, AuditLeaf.seq > _last))
_newest_without_backlog = (
    select(*as_stored(AuditSeal.__table__, ["sealed_at"]))
    .where(AuditSeal.backlog == 0)
    .order_by(AuditSeal.id.desc())
    .limit(1)
)
