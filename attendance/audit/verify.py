"""Recompute the whole trail, and name what does not fit."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Select, func, or_, select

from attendance.audit import pruning, seals
from attendance.audit.canonical import as_stored, time_of
from attendance.audit.checkpoint import Checkpoint
from attendance.audit.reader import Progress, paired, read_leaves, read_seals
from attendance.audit.report import Report
from attendance.audit.seals import AuditLeaf, AuditSeal
from attendance.audit.trail import AuditEntry
from attendance.audit.verifier import Verifier
from attendance.config.secrets import Secret
from attendance.db import Database, read_all

_MARGIN = timedelta(seconds=60)


class CannotVerify(Exception):
    """What was asked for cannot be verified; the message says why."""


@dataclass(frozen=True, slots=True)
class Scope:
    """From which seal on to verify, with which key, and against which anchors; and what time it is,
    if rows that wait too long for their seal are to be counted."""

    since: int | None = None
    key: Secret | None = None
    anchors: Sequence[Checkpoint] = ()
    now: datetime | None = None


def rows_to_verify(database: Database) -> int:
    """Count the rows that are sealed, for a progress bar."""
    with database.snapshot() as connection:
        return connection.scalar(select(func.count()).select_from(AuditLeaf)) or 0


def verify(database: Database, scope: Scope, progress: Progress = lambda _: None) -> Report:
    """Recompute every hash, and name what does not fit. `progress` is told of rows as they are
    read.

    Raises:
        CannotVerify: there is no seal `since`, or the trail was pruned meanwhile.
    """
    report = Report()
    walk = Verifier(report, scope.key, scope.anchors)
    with database.snapshot() as connection:
        report.head = seals.head(connection)
        first = _begin(connection, report, walk, scope.since)
    if report.head is not None:
        last = report.head["id"], report.head["last_seq"]
        found = read_seals(database, walk.seal_id, last[0])
        leaves = read_leaves(database, walk.seq, last[1], progress)
        for seal, under in paired(found, leaves):
            walk.check(seal, under)
    walk.finish()
    with database.snapshot() as connection:
        if seals.first_id(connection) != first:
            raise CannotVerify("The trail was pruned while it was read: verify it again.")
        _check_the_rest(connection, report, scope.now)
    return report


def _begin(connection: Connection, report: Report, walk: Verifier, since: int | None) -> int | None:
    """Set the walk to the seal that comes first; return the id of the oldest seal that there is."""
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


def _check_the_rest(connection: Connection, report: Report, now: datetime | None) -> None:
    """Look for what no seal leads to: seals that follow the same one, leaves and rows without."""
    for prev_hash in connection.scalars(_forks):
        report.add("fork", f"several seals follow the seal with the hash {prev_hash}")
    for seq in connection.scalars(_stray):
        report.add("seal_broken", f"leaf {seq} is under no seal")
    report.unsealed = _count(connection, seals.without_leaf([func.count()]))
    if now is not None:
        overdue = seals.without_leaf([func.count()]).where(AuditEntry.occurred_at < now - _MARGIN)
        report.overdue = _count(connection, overdue)
    if report.unsealed:
        passed = seals.without_leaf([AuditEntry.id]).where(AuditEntry.id <= _passed_id(connection))
        for row_id in connection.scalars(passed):
            report.add("unsealed_old", f"row {row_id} is where all was sealed, and has no leaf")


def _count(connection: Connection, query: Select[*tuple[Any, ...]]) -> int:
    return connection.scalar(query) or 0


def _passed_id(connection: Connection) -> int:
    """Return the id up to which each row that is there had its leaf when the newest seal without
    backlog was made."""
    # Not by the rows' times: an act may be written long after its time, and clocks are set back.
    # On a database whose transactions overlap a row can become visible after one with a greater id,
    # but not later than by the margin between the two seals.
    newest = next(iter(read_all(connection, _newest_without_backlog)), None)
    limit = None if newest is None else _margin_before(newest.sealed_at)
    if newest is None or limit is None:
        return 0
    passed = select(func.max(AuditSeal.last_seq)).where(
        AuditSeal.id < newest.id, AuditSeal.sealed_at < limit
    )
    highest = select(func.max(AuditLeaf.audit_id)).where(AuditLeaf.seq <= passed.scalar_subquery())
    return connection.scalar(highest) or 0


def _margin_before(stored: Any) -> datetime | None:
    """Return the time less the margin; None also for what a stranger wrote instead of a time, which
    the seal's hash tells of."""
    time = time_of(stored)
    try:
        return None if time is None else time - _MARGIN
    except OverflowError:
        return None


_forks = select(AuditSeal.prev_hash).group_by(AuditSeal.prev_hash).having(func.count() > 1)
_first = select(func.min(AuditSeal.first_seq)).scalar_subquery()
_last = select(func.coalesce(func.max(AuditSeal.last_seq), 0)).scalar_subquery()
_stray = select(AuditLeaf.seq).where(or_(AuditLeaf.seq < _first, AuditLeaf.seq > _last))
_newest_without_backlog = (
    select(*as_stored(AuditSeal.__table__, ["id", "sealed_at"]))
    .where(AuditSeal.backlog == 0)
    .order_by(AuditSeal.id.desc())
    .limit(1)
)
