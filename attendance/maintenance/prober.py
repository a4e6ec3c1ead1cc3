"""Ask whether what was refused is accepted again, with requests that send no message.

Each public function is a probe of the dispatcher: call it often; when the question is due, it
returns what asks it, in one process only.
"""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy import Connection

from attendance import audit
from attendance.db import Database
from attendance.maintenance import run_claims
from attendance.outbox import chat_migration, circuit_breaker, parking, retry_after
from attendance.outbox.models import StopReason
from attendance.outbox.sender_pool import Job
from attendance.outbox.transport import Migrated, Misconfigured, Postponed
from attendance.telegram.client import Identity, TelegramClient

logger = logging.getLogger(__name__)

_PROBE_SECONDS = 10.0
_BETWEEN_CHATS = timedelta(milliseconds=200)
_CONTEXT = audit.service_context("dispatcher")

Clock = Callable[[], datetime]


def probe_bot(database: Database, client: TelegramClient, clock: Clock) -> Job | None:
    """Call getMe if the bot was refused or nothing got through, and go on if it succeeds."""
    now = clock()
    with database.query() as connection:
        stopped = circuit_breaker.current(connection, now)
    if stopped is None or stopped.until > now:
        return None
    reason = database.write(lambda connection: circuit_breaker.take_probe(connection, now))
    return partial(_ask_for_bot, database, client, clock, reason) if reason else None


def probe_chats(database: Database, client: TelegramClient, clock: Clock) -> Job | None:
    """Ask whether we may write to a chat again that refused us, and resume it if so."""
    now = clock()
    with database.query() as connection:
        if not parking.is_probe_due(connection, now) or circuit_breaker.current(connection, now):
            return None
    chat_id = database.write(lambda connection: _take_chat(connection, now))
    return partial(_ask_for_chat, database, client, clock, chat_id) if chat_id else None


def _take_chat(connection: Connection, now: datetime) -> str | None:
    """Take the chat that is to be asked, if its turn has come."""
    # After a downtime many are due at once, and Telegram counts these requests, too.
    if not run_claims.claim_run(connection, now, "chat probe", _BETWEEN_CHATS):
        return None
    return parking.take_probe(connection, now)


def _ask_for_bot(
    database: Database, client: TelegramClient, clock: Clock, reason: StopReason
) -> None:
    answer, now = client.get_me(_PROBE_SECONDS), clock()
    match answer:
        case Identity():
            database.write(lambda connection: circuit_breaker.close(connection, now, reason))
            logger.info("Telegram answers the bot again: delivery goes on")
            return
        case Postponed(seconds):
            until = now + timedelta(seconds=seconds)
            database.write(lambda c: circuit_breaker.open_until(c, now, until, answer.error))
        case Misconfigured(error) if reason == "unreachable":
            database.write(lambda connection: _refused_instead(connection, now, error))
        case _:
            pass
    logger.warning("The bot cannot go on yet, messages wait: %s", answer.error)


def _refused_instead(connection: Connection, now: datetime, error: str) -> None:
    """Note that Telegram can be reached again and refuses the bot."""
    # Another stoppage: during this one the time until messages are given up stands still.
    circuit_breaker.close(connection, now, "unreachable")
    circuit_breaker.open(connection, now, "misconfigured", error)


def _ask_for_chat(database: Database, client: TelegramClient, clock: Clock, chat_id: str) -> None:
    answer, now = client.can_write(chat_id, _PROBE_SECONDS), clock()
    match answer:
        case None:
            if database.write(lambda connection: _resume(connection, now, chat_id)):
                logger.info("Chat %s accepts us again: delivery to it goes on", chat_id)
        case Migrated(new):
            database.write(lambda connection: chat_migration.migrate(connection, now, chat_id, new))
            logger.info("Chat %s that refused us lives on as %s, which is asked next", chat_id, new)
        case Postponed(seconds):
            until = now + timedelta(seconds=seconds)
            database.write(
                lambda connection: retry_after.hold(connection, chat_id, until, answer.error)
            )
        case _:
            logger.info("Chat %s still refuses us: %s", chat_id, answer.error)


def _resume(connection: Connection, now: datetime, chat_id: str) -> bool:
    """Resume the chat, unless a person has paused or resumed it while it was asked."""
    if not parking.is_probed(connection, chat_id):
        return False
    audit.append(connection, now, _CONTEXT, "chat.resumed", target=("chat", chat_id))
    parking.unpark(connection, now, chat_id)
    return True
