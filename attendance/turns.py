"""Whose turn it is: what any worker may do, and only one does at a time.

May import `db` only. A turn is taken in the transaction of what it is for, so it needs no leader
who could die: who comes first does it, and all others find it done until the next time.
"""

from datetime import datetime, timedelta

from sqlalchemy import Connection, String, select, update
from sqlalchemy.dialects import sqlite
from sqlalchemy.orm import Mapped, mapped_column

from attendance.db import Base, UtcTime


class Turn(Base):
    """When something that one worker does for all is next to be done."""

    __tablename__ = "turn"

    name: Mapped[str] = mapped_column(String(32), primary_key=True)
    next_at: Mapped[datetime] = mapped_column(UtcTime)


_insert = sqlite.insert(Turn.__table__).on_conflict_do_nothing()  # type: ignore[arg-type]


def is_due(connection: Connection, now: datetime, name: str) -> bool:
    """Whether there is a turn to take: only reads, so that whoever is too early takes no lock."""
    next_at = connection.scalar(select(Turn.next_at).where(Turn.name == name))
    return next_at is None or next_at <= now


def take(connection: Connection, now: datetime, name: str, pause: timedelta) -> bool:
    """Take the turn, if it is due; the next is after `pause`. False where another was faster."""
    if connection.execute(_insert, {"name": name, "next_at": now + pause}).rowcount:
        return True
    due = update(Turn).where(Turn.name == name, Turn.next_at <= now)
    return connection.execute(due.values(next_at=now + pause)).rowcount > 0
