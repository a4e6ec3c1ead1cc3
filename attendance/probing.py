"""Asking whether what was refused is accepted again, with requests that send no message.

May import `audit`, `telegram`, `outbox` and what lies below. Each function is a dispatcher's chore:
called often, it acts when a probe is due, in one process only.
"""

import logging
from collections.abc import Callable
from datetime import datetime

from sqlalchemy import Connection

from attendance import audit
from attendance.db import Database
from attendance.outbox import admin, lanes, stoppage
from attendance.outbox.transport import Migrated
from attendance.telegram.client import Identity, TelegramClient

logger = logging.getLogger(__name__)

_PROBE_SECONDS = 10.0
_CONTEXT = audit.service_context("dispatcher")

Clock = Callable[[], datetime]


def probe_bot(database: Database, client: TelegramClient, clock: Clock) -> None:
    """Where the bot was refused, or nothing got through, try getMe, and go on where it succeeds."""
    now = clock()
    with database.read() as connection:
        stopped = stoppage.current(connection, now)
    if stopped is None or stopped.until > now:
        return
    reason = database.write(lambda connection: stoppage.take_probe(connection, now))
    if reason is None:
        return
    answer = client.get_me(_PROBE_SECONDS)
    if isinstance(answer, Identity):
        database.write(lambda connection: stoppage.end(connection, clock(), reason))
        logger.info("Telegram answers the bot again: delivery goes on")
    else:
        logger.warning("Telegram is %s for the bot, messages wait: %s", reason, answer.error)


def probe_chats(database: Database, client: TelegramClient, clock: Clock) -> None:
    """Where a chat refused us, ask whether we may write there again, and resume it if so."""
    now = clock()
    with database.read() as connection:
        due = lanes.next_probe(connection)
    if due is None or due > now:
        return
    chat_id = database.write(lambda connection: lanes.take_probe(connection, now))
    if chat_id is None:
        return
    refusal = client.knock(chat_id, _PROBE_SECONDS)
    if isinstance(refusal, Migrated):
        lives = refusal.chat_id
        database.write(lambda connection: lanes.migrate(connection, clock(), chat_id, lives))
        logger.info("Chat %s that refused us lives on as %s, which is asked next", chat_id, lives)
    elif refusal is not None:
        logger.info("Chat %s still refuses us: %s", chat_id, refusal.error)
    elif database.write(lambda connection: _resume(connection, clock(), chat_id)):
        logger.info("Chat %s accepts us again: delivery to it goes on", chat_id)


def _resume(connection: Connection, now: datetime, chat_id: str) -> bool:
    """Unless a person has paused or resumed the chat while it was asked."""
    if not lanes.is_probed(connection, chat_id):
        return False
    audit.record(connection, now, _CONTEXT, "chat.resumed", target=("chat", chat_id))
    return admin.resume(connection, now, chat_id)
