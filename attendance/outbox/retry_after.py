"""Obey a 429 of the transport: hold the chat for as long as it says, or the whole bot.

Each function takes the caller's connection and commits nothing.
"""

from datetime import datetime

from sqlalchemy import Connection, or_, select, update

from attendance.outbox import circuit_breaker
from attendance.outbox.models import Chat


def obey(connection: Connection, now: datetime, lane: str, until: datetime, error: str) -> None:
    """Let the chat wait until then, and if another chat waits already, the bot as well: the reply
    does not say which of them is meant."""
    # The bot waits as long as the second chat was told to: by the first one's time, a chat with a
    # long wait and any other with a short one would stop everybody.
    other_is_held = _another_is_held(connection, lane, now)
    hold(connection, lane, until, error)
    if other_is_held:
        circuit_breaker.open_until(connection, now, until, error)


def hold(connection: Connection, lane: str, until: datetime, reason: str) -> None:
    """Let the lane wait until then; a longer wait that was told before stays."""
    shorter = or_(Chat.hold_until.is_(None), Chat.hold_until < until)
    held = update(Chat).where(Chat.chat_id == lane, shorter)
    connection.execute(held.values(hold_until=until, hold_reason=reason))


def _another_is_held(connection: Connection, lane: str, now: datetime) -> bool:
    """Tell whether some other chat was told to wait."""
    query = select(Chat.chat_id).where(Chat.chat_id != lane, Chat.hold_until > now).limit(1)
    return connection.scalar(query) is not None
