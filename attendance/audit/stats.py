"""Tell whether the sealing keeps up, for metrics and `doctor`."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func

from attendance.audit import seals
from attendance.audit.canonical import time_of
from attendance.audit.trail import AuditEntry


@dataclass(frozen=True, slots=True)
class SealStats:
    """Ages are in seconds; None if there is no seal, or no row that waits for one."""

    unsealed_rows: int
    oldest_unsealed_age_seconds: float | None
    last_seal_age_seconds: float | None


def seal_stats(connection: Connection, now: datetime) -> SealStats:
    """Measure the newest rows only, at the same cost however long the trail is. What is missing
    further down is for `verify` to find."""
    newest = seals.head(connection)
    columns = [func.count(), func.min(AuditEntry.occurred_at)]
    query = seals.unsealed(columns, seals.settled_id(connection, now))
    count, oldest = connection.execute(query).one()
    sealed_at = None if newest is None else time_of(newest["sealed_at"])
    return SealStats(count, _age(now, oldest), _age(now, sealed_at))


def _age(now: datetime, then: datetime | None) -> float | None:
    return None if then is None else max(0.0, (now - then).total_seconds())
