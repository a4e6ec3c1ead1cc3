"""Stop all claims while nothing can be delivered to anybody, and probe until something can."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, and_, bindparam, insert, or_, select, update

from attendance.db import Prepared, insert_or_ignore
from attendance.outbox.models import Stoppage, StopReason

FIRST_PROBE = timedelta(seconds=1)
LONGEST_PROBE = timedelta(seconds=30)
_RELAPSE = timedelta(minutes=1)
_PROBED: tuple[StopReason, ...] = ("misconfigured", "unreachable")
_CLOCK_STANDS_STILL: tuple[StopReason, ...] = ("unconfigured", "misconfigured")

_open_and_probed = and_(
    or_(*(Stoppage.reason == reason for reason in _PROBED)), Stoppage.ended_at.is_(None)
)
_flooded = and_(Stoppage.reason == "flooded", Stoppage.ended_at > bindparam("now"))
_current = Prepared(
    select(Stoppage.reason, Stoppage.probe_at, Stoppage.ended_at, Stoppage.error).where(
        or_(_open_and_probed, _flooded)
    )
)
_open = Prepared(
    select(Stoppage.id)
    .where(Stoppage.reason == bindparam("reason"), Stoppage.ended_at.is_(None))
    .limit(1)
)


@dataclass(frozen=True, slots=True)
class Stopped:
    """Why nothing is claimed, and when to look at that again."""

    reason: StopReason
    until: datetime
    error: str | None


def open(  # noqa: A001 - a breaker opens; called as `circuit_breaker.open`
    connection: Connection, now: datetime, reason: StopReason, error: str | None = None
) -> None:
    """Open a stoppage, unless one with this reason is open; if it is probed, first after
    `FIRST_PROBE`. One that has only just ended goes on; if the bot was refused, the next probe then
    comes later, since what the last one found does not hold for messages."""
    if reason in _PROBED and _reopen(connection, now, reason, error):
        return
    probe_at = now + FIRST_PROBE if reason in _PROBED else None
    row = {"reason": reason, "error": error, "started_at": now, "probe_at": probe_at}
    insert_or_ignore(connection, Stoppage.__table__, row)


def open_until(connection: Connection, now: datetime, until: datetime, error: str) -> None:
    """Stop until a time that is known already."""
    row = {"reason": "flooded", "error": error, "started_at": now, "ended_at": until}
    connection.execute(insert(Stoppage).values(**row))


def close(connection: Connection, now: datetime, reason: StopReason) -> bool:
    """Close the open stoppage of this reason; tell whether there was one."""
    closed = update(Stoppage).where(Stoppage.reason == reason, Stoppage.ended_at.is_(None))
    return connection.execute(closed.values(ended_at=now)).rowcount > 0


def current(connection: Connection, now: datetime) -> Stopped | None:
    """Return what stops the claims at `now`; None if nothing does.

    An `unconfigured` stoppage does not: whoever can ask has a configuration.
    """
    rows = _current.all(connection, {"now": now})
    found = [Stopped(row.reason, row.ended_at or row.probe_at, row.error) for row in rows]
    return max(found, key=lambda stopped: stopped.until, default=None)


def take_probe(connection: Connection, now: datetime) -> StopReason | None:
    """Claim a probe that is due, so that only one process makes it; None if none is due. The next
    follows after as long as the stoppage has lasted, at most `LONGEST_PROBE`."""
    due = connection.execute(
        select(Stoppage.id, Stoppage.reason, Stoppage.started_at)
        .where(_open_and_probed, Stoppage.probe_at <= now)
        .with_for_update(skip_locked=True)
    ).first()
    if due is None:
        return None
    taken = update(Stoppage).where(Stoppage.id == due.id)
    connection.execute(taken.values(probe_at=_next_probe(due.started_at, now)))
    reason: StopReason = due.reason
    return reason


def probe_soon(connection: Connection, now: datetime) -> None:
    """Let the next probe be made at once: a new process may have a new configuration."""
    connection.execute(update(Stoppage).where(_open_and_probed).values(probe_at=now))


def time_stopped(connection: Connection, since: datetime, now: datetime) -> timedelta:
    """Add up how much of the time from `since` to `now` does not count against a message.
    Overlapping stoppages count once."""
    rows = connection.execute(
        select(Stoppage.started_at, Stoppage.ended_at)
        .where(
            Stoppage.reason.in_(_CLOCK_STANDS_STILL),
            or_(Stoppage.ended_at.is_(None), Stoppage.ended_at > since),
        )
        .order_by(Stoppage.started_at)
    )
    total, reached = timedelta(), since
    for started_at, ended_at in rows:
        begin_at, end_at = max(started_at, reached), min(ended_at or now, now)
        if end_at > begin_at:
            total += end_at - begin_at
            reached = end_at
    return total


def is_open(connection: Connection, reason: StopReason) -> bool:
    return _open.first(connection, {"reason": reason}) is not None


def _reopen(connection: Connection, now: datetime, reason: StopReason, error: str | None) -> bool:
    last = connection.execute(
        select(Stoppage.id, Stoppage.started_at, Stoppage.ended_at)
        .where(Stoppage.reason == reason)
        .order_by(Stoppage.id.desc())
    ).first()
    if last is None or last.ended_at is None or now - last.ended_at >= _RELAPSE:
        return False
    again = update(Stoppage).where(Stoppage.id == last.id)
    refused = reason == "misconfigured"
    probe_at = _next_probe(last.started_at, now) if refused else now + FIRST_PROBE
    connection.execute(again.values(ended_at=None, error=error, probe_at=probe_at))
    return True


def _next_probe(since: datetime, now: datetime) -> datetime:
    return now + min(max(now - since, FIRST_PROBE), LONGEST_PROBE)
