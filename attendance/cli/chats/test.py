"""`manage.py chats test`."""

import time

import click
from sqlalchemy import Connection

from attendance import audit
from attendance.cli.audited import audited
from attendance.cli.chats.routes import topic_option
from attendance.cli.chats.telegram import LOOK_SECONDS, remedy_of, telegram_client
from attendance.cli.context import load_settings, opened_database, os_user
from attendance.cli.options import NEGATIVE_ID, chat_argument, examples
from attendance.config import Settings
from attendance.db import Database
from attendance.notifications import routing, texts
from attendance.notifications.routing import thread_of
from attendance.outbox import lanes, queries, rate_limiter
from attendance.outbox.transport import Delivered, Outcome
from attendance.telegram.client import ChatInfo
from attendance.telegram.errors import Failure
from attendance.telegram.markdown.text import escape
from attendance.worker import rate_limits

_RATE_PATIENCE_SECONDS = 5.0
_TEST = "🔔 A test of this chat: attendance will be told here."


@examples("chats test -- -1001234567890", "chats test --topic 5 -- -1001234567890")
@click.command(context_settings=NEGATIVE_ID)
@chat_argument
@topic_option
@audited("chat.tested")
def test(chat_id: str, topic: int | None) -> None:
    """Send a chat a message that people see, and say how it went.

    It goes out at once and past what waits, also to a chat that is paused; the chat's rate counts
    it. Exit 1 where Telegram does not take it.
    """
    settings = load_settings()
    with opened_database() as database, telegram_client(settings) as client:
        with database.snapshot() as connection:
            lane = lanes.lives_in(connection, chat_id)
        info = client.get_chat(lane, LOOK_SECONDS)
        _await_rate(database, settings, lane)
        seconds = settings.telegram_timeout.total_seconds
        outcome = client.send_text(lane, escape(_TEST), seconds, thread_id=thread_of(topic))
        _audit_test(database, chat_id, outcome, info)
        with database.snapshot() as connection:
            parked = queries.parked_chats(connection, [lane])
    if not isinstance(outcome, Delivered):
        click.echo(f"Error: {outcome.error}. {remedy_of(outcome)}", err=True)
        raise click.exceptions.Exit(1)
    click.echo(f"The chat {chat_id} has the test message, as its number {outcome.receipt}.")
    for sentence in texts.parked(parked):
        click.echo(f"{sentence} All but this test waits.")


def _await_rate(database: Database, settings: Settings, chat_id: str) -> None:
    """Take a start from the rate; where it is used up, wait a little for it."""
    limits = rate_limits(settings)
    ends = time.monotonic() + _RATE_PATIENCE_SECONDS
    while not database.write(
        lambda c: rate_limiter.try_consume(c, limits, chat_id, database.clock())
    ):
        if time.monotonic() > ends:
            raise click.ClickException(
                f"The rate of {chat_id}, or that over all chats, is used up: try again in a minute."
            )
        time.sleep(0.2)


def _audit_test(
    database: Database, chat_id: str, outcome: Outcome, info: ChatInfo | Failure
) -> None:
    """Append the test to the trail, and keep what Telegram calls a chat that we know."""
    now, context = database.clock(), os_user()

    def work(connection: Connection) -> None:
        if isinstance(info, ChatInfo):
            routing.learn(connection, chat_id, info.type, info.title)
        audit.append(
            connection,
            now,
            context,
            "chat.tested",
            outcome="success" if isinstance(outcome, Delivered) else "refused",
            target=("chat", chat_id),
            reason=None if isinstance(outcome, Delivered) else outcome.error,
        )

    database.write(work)
