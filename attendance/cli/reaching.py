"""`manage.py chats test` and `chats discover`: what is asked of Telegram about chats."""

import shlex
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import NoReturn

import click
from sqlalchemy import Connection

from attendance import audit
from attendance.cli.audited import audited
from attendance.cli.common import (
    NEGATIVE_ID,
    chat_argument,
    examples,
    json_option,
    load_settings,
    opened_database,
    os_user,
    print_json,
)
from attendance.config import Settings
from attendance.db import Database
from attendance.notifications import routing, texts
from attendance.outbox import lanes, queries, rate_limiter
from attendance.outbox.transport import (
    Delivered,
    Migrated,
    Misconfigured,
    Outcome,
    Parked,
    Postponed,
    Rejected,
    Retry,
    Uncertain,
)
from attendance.telegram.client import ChatInfo, TelegramClient
from attendance.telegram.discovery import Found, chats_in
from attendance.telegram.errors import Failure
from attendance.telegram.markdown.text import escape
from attendance.worker import rate_limits

GENERAL_TOPIC = 1
"""By which people see the topic that has no number for those who write to it."""

LOOK_SECONDS = 10.0
_PACE_PATIENCE_SECONDS = 5.0
_TEST = "🔔 A test of this chat: attendance will be told here."

_NOTHING_FOUND = """\
Nobody has done anything lately where the bot can see it. To be found:
  - a person writes /start to the bot;
  - in a group, add the bot, or write /start@its_name there: it hears nothing else while its
    privacy mode is on (BotFather, /setprivacy);
  - in a channel, make the bot an administrator, and post something;
  - for a topic, write /start@its_name in the topic.
Telegram keeps what happened for 24 hours, and only until another program has confirmed it."""
_WEBHOOK = """\
A webhook is set for this bot, or another program reads its updates, and Telegram gives them to one
only. Remove the webhook (deleteWebhook), or stop that program, and try again."""


@contextmanager
def telegram_client(settings: Settings) -> Iterator[TelegramClient]:
    """A client with the token of the settings. Raises ClickException where there is none."""
    if settings.telegram_bot_token is None:
        raise click.ClickException(
            "TELEGRAM_BOT_TOKEN is not set: set it to the token that BotFather gave you."
        )
    client = TelegramClient(
        token=settings.telegram_bot_token,
        api_base=settings.telegram_api_base,
        connect_seconds=settings.telegram_timeout.connect_seconds,
    )
    try:
        yield client
    finally:
        client.close()


@examples("chats test -- -1001234567890", "chats test --topic 5 -- -1001234567890")
@click.command(context_settings=NEGATIVE_ID)
@chat_argument
@click.option("--topic", type=click.IntRange(1), help="A topic of the group, by number.")
@audited("chat.tested")
def test(chat_id: str, topic: int | None) -> None:
    """Send a chat a message that people see, and say how it went.

    It goes out at once and past what waits, also to a chat that is paused; the chat's rate counts
    it. Exit 1 where Telegram does not take it.
    """
    settings = load_settings()
    topic = None if topic == GENERAL_TOPIC else topic
    with opened_database() as database, telegram_client(settings) as client:
        with database.snapshot() as connection:
            lane = lanes.lives_in(connection, chat_id)
        info = client.get_chat(lane, LOOK_SECONDS)
        _await_pace(database, settings, lane)
        seconds = settings.telegram_timeout.total_seconds
        outcome = client.send_text(lane, escape(_TEST), seconds, thread_id=topic)
        _note_test(database, chat_id, outcome, info)
        with database.snapshot() as connection:
            parked = queries.parked_chats(connection, [lane])
    if not isinstance(outcome, Delivered):
        click.echo(f"Error: {outcome.error}. {remedy_of(outcome)}", err=True)
        raise click.exceptions.Exit(1)
    click.echo(f"The chat {chat_id} has the test message, as its number {outcome.receipt}.")
    for sentence in texts.parked(parked):
        click.echo(f"{sentence} All but this test waits.")


@examples("chats discover", "chats discover --json")
@click.command()
@json_option
def discover(as_json: bool) -> None:
    """Find the ids of chats and topics in which somebody has spoken to the bot lately.

    Confirms nothing, so that it can be repeated, and takes nothing away from other programs.
    """
    settings = load_settings()
    with opened_database(), telegram_client(settings) as client:
        updates = client.get_updates(LOOK_SECONDS)
    if not isinstance(updates, list):
        _refuse(updates)
    found = chats_in(updates)
    if as_json:
        print_json([asdict(one) for one in found])
    elif not found:
        click.echo(_NOTHING_FOUND)
    for one in () if as_json else found:
        click.echo(f"{one.chat.type} {one.chat.title}")
        for line in _ready_commands(one):
            click.echo(f"  {line}")


def remedy_of(failure: Failure) -> str:
    """What an admin does about a request that Telegram did not grant."""
    return _REMEDIES[type(failure)].format(failure=failure)


_REMEDIES: dict[type[Failure], str] = {
    Migrated: "The group lives on as {failure.chat_id}: use that id.",
    Parked: "A person has to write /start to the bot and not block it; a group needs it as a "
    "member that may write, a channel as an administrator; a topic has to be open.",
    Misconfigured: "Check TELEGRAM_BOT_TOKEN and TELEGRAM_API_BASE.",
    Postponed: "Telegram asks to wait: try again in {failure.retry_after_seconds:.0f} s.",
    Uncertain: "Look into the chat: the message may be there. Else try again.",
    Retry: "Check the network and TELEGRAM_API_BASE, and try again.",
    Rejected: "Telegram does not take this request: check the id and the topic.",
}


def _refuse(failure: Failure) -> NoReturn:
    if failure.error.startswith("409"):
        raise click.ClickException(f"{failure.error}\n{_WEBHOOK}")
    raise click.ClickException(f"{failure.error}. {remedy_of(failure)}")


def _ready_commands(found: Found) -> Iterator[str]:
    title = f" --title {shlex.quote(found.chat.title)}" if found.chat.title else ""
    yield f"manage.py chats add{title} -- {found.chat.id}"
    for topic, name in found.topics.items():
        comment = f"  # {name}" if name else ""
        yield f"manage.py chats add --topic {topic} -- {found.chat.id}{comment}"


def _await_pace(database: Database, settings: Settings, chat_id: str) -> None:
    """Debit a start; where the rate is used up, wait a little for it."""
    limits = rate_limits(settings)
    ends = time.monotonic() + _PACE_PATIENCE_SECONDS
    while not database.write(
        lambda c: rate_limiter.try_consume(c, limits, chat_id, database.clock())
    ):
        if time.monotonic() > ends:
            raise click.ClickException(
                f"The rate of {chat_id}, or that over all chats, is used up: try again in a minute."
            )
        time.sleep(0.2)


def _note_test(
    database: Database, chat_id: str, outcome: Outcome, info: ChatInfo | Failure
) -> None:
    """Audit the test, and keep what Telegram calls a chat that we know."""
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
