"""Let one process at a time run what any process may run.

A run is claimed in the transaction of what it does, so there is no leader who could die: whoever
comes first does it, and all others find it done until the next time.
"""

from datetime import datetime, timedelta

from sqlalchemy import Connection, String, and_, or_, select, update
from sqlalchemy.orm import Mapped, mapped_column

from attendance.db import Base, UtcTime, insert_or_ignore


class ScheduledTask(Base):
    """One row for each job that only one process at a time may run: when it may be run next."""

    __tablename__ = "turn"

    name: Mapped[str] = mapped_column(String(32), primary_key=True)
    next_at: Mapped[datetime] = mapped_column(UtcTime)


def is_due(connection: Connection, now: datetime, name: str, pause: timedelta) -> bool:
    """Tell whether there is a run to claim. Only reads: whoever is too early takes no lock."""
    early = and_(ScheduledTask.next_at > now, ScheduledTask.next_at <= now + pause)
    taken = select(ScheduledTask.name).where(ScheduledTask.name == name, early)
    return connection.scalar(taken) is None


def claim_run(connection: Connection, now: datetime, name: str, pause: timedelta) -> bool:
    """Claim the run, if it is due; the next is due after `pause`. False if another was faster."""
    row = {"name": name, "next_at": now + pause}
    if insert_or_ignore(connection, ScheduledTask.__table__, row):
        return True
    # A time that lies further ahead than we ever set one comes from a clock that was wrong.
    due = or_(ScheduledTask.next_at <= now, ScheduledTask.next_at > now + pause)
    taken = update(ScheduledTask).where(ScheduledTask.name == name, due)
    return connection.execute(taken.values(next_at=now + pause)).rowcount > 0
