"""Keep the rate limits across processes: the starts of requests, as rows in the database."""

from datetime import datetime, timedelta

from sqlalchemy import Connection, Integer, bindparam, delete, insert, select

from attendance.db import Prepared, advisory_lock, try_advisory_lock
from attendance.outbox.lanes import hold_lane
from attendance.outbox.models import Start
from attendance.outbox.rate_limits import Rate, RateLimits, next_start

_KEPT_LONGER = timedelta(seconds=10)
"""Another may plan an earlier start than this one, and its window reaches back further."""


_PLANNING = "outbox_start"
_count = bindparam("count", type_=Integer)
_consume = Prepared(insert(Start.__table__), "lane", "starts_at")  # type: ignore[arg-type]  # a Table
_newest_first = select(Start.starts_at).order_by(Start.starts_at.desc()).limit(_count)
_latest = Prepared(_newest_first)
_latest_of_lane = Prepared(_newest_first.where(Start.lane == bindparam("lane")))


def lock(connection: Connection, limits: RateLimits, *, patient: bool = True) -> bool:
    """Keep everybody else from planning starts until the end of the transaction; False if another
    is planning and you are not `patient`."""
    # A start that another has planned and not yet committed would not be counted. Without a limit
    # over all chats there is nothing to plan: that of one chat is kept by whoever holds its lane.
    if limits.overall is None:
        return True
    if not patient:
        return try_advisory_lock(connection, _PLANNING)
    advisory_lock(connection, _PLANNING)
    return True


def latest(connection: Connection, rate: Rate | None, lane: str | None = None) -> list[datetime]:
    """List the last `rate.count` starts, of one lane or of all, the latest first."""
    if rate is None:
        return []
    query, values = (_latest, {}) if lane is None else (_latest_of_lane, {"lane": lane})
    rows = query.all(connection, {"count": rate.count, **values})
    return [row.starts_at for row in rows]


def consume(
    connection: Connection, limits: RateLimits, lane: str, starts_at: datetime
) -> int | None:
    """Write a start down, forget those that no window holds any more, and return its id; None if no
    limit is set that could need it."""
    if not limits.longest_window:
        return None
    forgotten = starts_at - limits.longest_window - _KEPT_LONGER
    connection.execute(delete(Start).where(Start.starts_at < forgotten))
    return _consume.inserted(connection, {"lane": lane, "starts_at": starts_at})


def refund(connection: Connection, start_id: int | None) -> None:
    """Give a start back whose request never began."""
    if start_id is not None:
        connection.execute(delete(Start).where(Start.id == start_id))


def try_consume(connection: Connection, limits: RateLimits, lane: str, now: datetime) -> bool:
    """Consume one more start at once, if the limits allow it: for a second request under one
    claim."""
    lock(connection, limits)
    hold_lane(connection, lane)
    rate = limits.of_chat(lane)
    if next_start(latest(connection, limits.overall), limits.overall, now) > now:
        return False
    if next_start(latest(connection, rate, lane), rate, now) > now:
        return False
    consume(connection, limits, lane, now)
    return True
