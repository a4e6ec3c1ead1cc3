"""How `chats add` and `chats remove` name routes."""

from collections.abc import Callable
from typing import Any

import click

from attendance.models import EVENTS

Command = Callable[..., Any]

topic_option = click.option(
    "--topic", type=click.IntRange(1), help="A topic of the group, by number."
)


def route_options(command: Command) -> Command:
    """Add the options that name routes; of several values of one kind, any may hold."""
    for option in (
        topic_option,
        click.option("--event", multiple=True, type=click.Choice(EVENTS), help="Only this event."),
        click.option("--group", multiple=True, help="Only this group."),
        click.option("--site", multiple=True, help="Only this site."),
    ):
        command = option(command)
    return command
