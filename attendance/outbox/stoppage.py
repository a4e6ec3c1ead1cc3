"""Times in which nothing can be delivered to anybody: begun, ended, and counted."""

from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy import Connection, or_, select, update
from sqlalchemy.dialects import sqlite

from attendance.outbox.message import Stoppage

PROBE_EVERY = timedelta(seconds=30)

_insert = sqlite.insert(Stoppage.__table__).on_conflict_do_nothing()  # type: ignore[arg-type]


def begin(
    connection: Connection,
    now: datetime,
    reason: Literal["unconfigured", "misconfigured"],
    error: str | None = None,
) -> None:
    """Open a stoppage, unless one with this reason is open. A misconfigured bot is probed again
    after `PROBE_EVERY`."""
    probe_at = now + PROBE_EVERY if reason == "misconfigured" else None
    connection.execute(
        _insert, {"reason": reason, "error": error, "started_at": now, "probe_at": probe_at}
    )


def end(connection: Connection, now: datetime, reason: str) -> bool:
    """Close the open stoppage of this reason; whether there was one."""
    closed = update(Stoppage).where(Stoppage.reason == reason, Stoppage.ended_at.is_(None))
    return connection.execute(closed.values(ended_at=now)).rowcount > 0


def misconfigured_since(connection: Connection) -> tuple[datetime, datetime, str] | None:
    """Since when claims are stopped, when to probe next, and what was said; None: they are not.

    An `unconfigured` stoppage does not count: whoever can ask has a configuration.
    """
    row = connection.execute(
        select(Stoppage.started_at, Stoppage.probe_at, Stoppage.error).where(
            Stoppage.reason == "misconfigured", Stoppage.ended_at.is_(None)
        )
    ).one_or_none()
    return None if row is None else (row.started_at, row.probe_at, row.error)


def take_probe(connection: Connection, now: datetime) -> bool:
    """Claim the probe that is due, so that one process makes it; False where none is."""
    due = update(Stoppage).where(
        Stoppage.reason == "misconfigured", Stoppage.ended_at.is_(None), Stoppage.probe_at <= now
    )
    return connection.execute(due.values(probe_at=now + PROBE_EVERY)).rowcount > 0


def time_stopped(connection: Connection, since: datetime, now: datetime) -> timedelta:
    """How much of the time from `since` to `now` was a stoppage. Overlapping ones count once."""
    rows = connection.execute(
        select(Stoppage.started_at, Stoppage.ended_at)
        .where(or_(Stoppage.ended_at.is_(None), Stoppage.ended_at > since))
        .order_by(Stoppage.started_at)
    )
    total, reached = timedelta(), since
    for started_at, ended_at in rows:
        begin_at, end_at = max(started_at, reached), min(ended_at or now, now)
        if end_at > begin_at:
            total += end_at - begin_at
            reached = end_at
    return total


def probe_soon(connection: Connection, now: datetime) -> None:
    """Let the next probe be made at once: a new process may have a new configuration."""
    open_ = update(Stoppage).where(Stoppage.reason == "misconfigured", Stoppage.ended_at.is_(None))
    connection.execute(open_.values(probe_at=now))


def is_open(connection: Connection, reason: str) -> bool:
    open_ = select(Stoppage.id).where(Stoppage.reason == reason, Stoppage.ended_at.is_(None))
    return connection.scalar(open_) is not None
