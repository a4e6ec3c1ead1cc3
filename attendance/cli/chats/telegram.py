"""Telegram asked from the command line, and what an admin does where it does not grant that."""

from collections.abc import Iterator
from contextlib import contextmanager

import click

from attendance.config import Settings
from attendance.outbox.transport import (
    Migrated,
    Misconfigured,
    Parked,
    Postponed,
    Rejected,
    Retry,
    Uncertain,
)
from attendance.telegram.client import TelegramClient
from attendance.telegram.errors import Failure

LOOK_SECONDS = 10.0


@contextmanager
def telegram_client(settings: Settings) -> Iterator[TelegramClient]:
    """Open a client with the token of the settings. Raises ClickException where there is none."""
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


def remedy_of(failure: Failure) -> str:
    """Return what an admin does about a request that Telegram did not grant."""
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
