"""Park chats that refuse us or that a person has paused, ask now and then, and free them."""

from datetime import datetime, timedelta

from sqlalchemy import Connection, and_, bindparam, not_, select, update

from attendance.db import Prepared
from attendance.outbox.models import Chat, Message

FIRST_PROBE = timedelta(minutes=1)
LONGEST_PROBE = timedelta(hours=1)

_told_to_wait = and_(Chat.hold_until.is_not(None), Chat.hold_until > bindparam("now"))
_due = (
    select(Chat.chat_id, Chat.parked_at, Chat.refused_since)
    .where(Chat.probe_at <= bindparam("now"), not_(_told_to_wait))
    .order_by(Chat.probe_at)
    .limit(1)
)
"""The chat that is to be asked first, unless Telegram has it wait."""

_first_due = Prepared(_due)

IS_PAUSED = and_(Chat.parked_at.is_not(None), Chat.probe_at.is_(None), Chat.refused_since.is_(None))
"""A person's doing: a chat that refuses us bears since when, probed or not."""


def park(connection: Connection, now: datetime, lane: str, reason: str, *, probed: bool) -> None:
    """Claim nothing for this chat, which refuses us, until a probe succeeds, or, if it is not
    `probed`, until a person resumes it."""
    since = connection.scalar(select(Chat.refused_since).where(Chat.chat_id == lane)) or now
    # What a person has paused stays so.
    refused = update(Chat).where(Chat.chat_id == lane, Chat.parked_at.is_(None))
    probe_at = _next_probe(since, now) if probed else None
    values = {"parked_at": now, "park_reason": reason, "probe_at": probe_at, "refused_since": since}
    connection.execute(refused.values(**values))


def pause(connection: Connection, now: datetime, lane: str, reason: str) -> None:
    """Claim nothing for this chat until a person resumes it, who vouches for it."""
    values = {"parked_at": now, "park_reason": reason, "probe_at": None, "refused_since": None}
    connection.execute(update(Chat).where(Chat.chat_id == lane).values(**values))


def unpark(connection: Connection, now: datetime, lane: str) -> None:
    """Deliver to this chat again, and give what waits its full time."""
    # What Telegram told us to wait, and our rate limits, go on.
    freed = update(Chat).where(Chat.chat_id == lane)
    connection.execute(freed.values(parked_at=None, park_reason=None, probe_at=None))
    waiting = update(Message).where(Message.lane == lane, Message.status == "pending")
    connection.execute(waiting.values(give_up_from=now))


def forget_refusals(connection: Connection, lane: str) -> None:
    """Forget that the chat refused us: a message was delivered, or a person vouches for it."""
    connection.execute(update(Chat).where(Chat.chat_id == lane).values(refused_since=None))


def is_probe_due(connection: Connection, now: datetime) -> bool:
    """Tell whether a chat that refused us is to be asked again."""
    return _first_due.first(connection, {"now": now}) is not None


def take_probe(connection: Connection, now: datetime) -> str | None:
    """Claim a probe that is due, so that only one process makes it; return the chat's id, None if
    none is due. The next follows after as long as the chat has refused us, at most an hour."""
    due = connection.execute(_due.with_for_update(skip_locked=True), {"now": now}).first()
    if due is None:
        return None
    probe_at = _next_probe(due.refused_since or due.parked_at, now)
    connection.execute(update(Chat).where(Chat.chat_id == due.chat_id).values(probe_at=probe_at))
    chat_id: str = due.chat_id
    return chat_id


def is_probed(connection: Connection, chat_id: str) -> bool:
    """Tell whether the chat still waits for a probe: nobody has paused or resumed it meanwhile."""
    waits = select(Chat.probe_at.is_not(None)).where(Chat.chat_id == chat_id)
    return bool(connection.scalar(waits))


def _next_probe(since: datetime, now: datetime) -> datetime:
    return now + min(max(now - since, FIRST_PROBE), LONGEST_PROBE)
