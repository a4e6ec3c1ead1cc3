"""Move what belongs to a chat along when the chat lives on under another id.

Each function takes the caller's connection and commits nothing.
"""

from datetime import datetime

from sqlalchemy import Connection, func, or_, select, update

from attendance.outbox.lanes import open_lane
from attendance.outbox.models import IS_UNSETTLED, Chat, Message, Start

_STATE = ("parked_at", "park_reason", "probe_at", "refused_since")


def migrate(connection: Connection, now: datetime, old: str, new: str) -> None:
    """Let `old` live on as `new`, with all that waits for it; its topics mean nothing there."""
    new = open_lane(connection, now, new)
    if new == old:
        return
    _hand_over(connection, old, new)
    aliases = update(Chat).where(or_(Chat.chat_id == old, Chat.migrated_to == old))
    connection.execute(aliases.values(migrated_to=new, **dict.fromkeys(_STATE)))
    follow_migrations(connection)


def follow_migrations(connection: Connection) -> None:
    """Bring what waits in the lane of a chat that has moved to where the chat lives now."""
    moved = select(Chat.migrated_to).where(Chat.chat_id == Message.lane).scalar_subquery()
    left = select(Chat.chat_id).where(Chat.migrated_to.is_not(None))
    stale = update(Message).where(Message.lane.in_(left), IS_UNSETTLED, Message.status == "pending")
    connection.execute(stale.values(lane=moved, thread_id=None))


def _hand_over(connection: Connection, old: str, new: str) -> None:
    """Give the chat's new id what belonged to the old one: how it is told, whether it is paused,
    and the starts that count against its rate. What the new id has of its own stays."""
    was = connection.execute(select(Chat.__table__).where(Chat.chat_id == old)).mappings().one()
    lives = update(Chat).where(Chat.chat_id == new)
    kept = {
        name: func.coalesce(getattr(Chat, name), was[name]) for name in ("title", "quiet_hours")
    }
    connection.execute(lives.values(silent=or_(Chat.silent, was["silent"]), **kept))
    state = {name: was[name] for name in _STATE if was[name] is not None}
    if "parked_at" in state:
        connection.execute(lives.where(Chat.parked_at.is_(None)).values(**state))
    connection.execute(update(Start).where(Start.lane == old).values(lane=new))
