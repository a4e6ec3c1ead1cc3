"""Whose turn it is: what any worker may do, and only one does at a time.

May import `db` only. A turn is taken in the transaction of what it is for, so it needs no leader
who could die: who comes first does it, and all others find it done until the next time.
"""

from datetime import datetime, timedelta

from sqlalchemy import Connection, String, and_, or_, select, update
from sqlalchemy.orm import Mapped, mapped_column

from attendance.db import Base, UtcTime, insert_or_ignore


class ScheduledTask(Base):
    """When something that one worker does for all is next to be done."""

    __tablename__ = "turn"

    name: Mapped[str] = mapped_column(String(32), primary_key=True)
    next_at: Mapped[datetime] = mapped_column(UtcTime)


def is_due(connection: Connection, now: datetime, name: str, pause: timedelta) -> bool:
    """Whether there is a turn to take: only reads, so that whoever is too early takes no lock."""
    early = and_(ScheduledTask.next_at > now, ScheduledTask.next_at <= now + pause)
    taken = select(ScheduledTask.name).where(ScheduledTask.name == name, early)
    return connection.scalar(taken) is None


def claim_run(connection: Connection, now: datetime, name: str, pause: timedelta) -> bool:
    """Take the turn, if it is due; the next is after `pause`. False where another was faster."""
    row = {"name": name, "next_at": now + pause}
    if insert_or_ignore(connection, ScheduledTask.__table__, row):
        return True
    # Later than any that we would set: by a clock that was wrong.
    due = or_(ScheduledTask.next_at <= now, ScheduledTask.next_at > now + pause)
    taken = update(ScheduledTask).where(ScheduledTask.name == name, due)
    return connection.execute(taken.values(next_at=now + pause)).rowcount > 0
