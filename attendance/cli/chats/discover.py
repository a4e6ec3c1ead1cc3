"""`manage.py chats discover`."""

import shlex
from collections.abc import Iterator
from dataclasses import asdict
from typing import NoReturn

import click

from attendance.cli.chats.telegram import LOOK_SECONDS, remedy_of, telegram_client
from attendance.cli.context import load_settings, opened_database
from attendance.cli.options import examples, json_option
from attendance.cli.output import print_json
from attendance.telegram.discovery import Found, chats_in
from attendance.telegram.errors import Failure

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
