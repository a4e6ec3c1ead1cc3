"""`manage.py chats add`."""

from collections.abc import Sequence
from itertools import product
from typing import Any

import click

from attendance.cli.audited import audited
from attendance.cli.chats.routes import route_options
from attendance.cli.context import opened_database, os_user
from attendance.cli.options import NEGATIVE_ID, chat_argument, examples
from attendance.notifications import operations
from attendance.notifications.routing import Conditions, thread_of
from attendance.outbox import quiet_hours as spans


def _quiet_hours(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    try:
        if value not in {None, "off"}:
            spans.parse(str(value))
    except ValueError as error:
        raise click.BadParameter(str(error)) from None
    return value


@examples(
    "chats add -- -1001234567890",
    "chats add --site HQ --site Berlin --event late -- -1001234567890",
    "chats add --topic 5 --title 'Night shift' --quiet-hours 22:00-07:00 -- -1001234567890",
)
@click.command(context_settings=NEGATIVE_ID)
@chat_argument
@route_options
@click.option("--title", help="What to call it in lists.")
@click.option("--silent/--no-silent", default=None, help="Tell it without a sound.")
@click.option(
    "--quiet-hours",
    callback=_quiet_hours,
    metavar="SPAN",
    help="When to tell it without a sound, in TIMEZONE: 22:00-07:00, or off.",
)
@audited("chat.added")
def add(
    chat_id: str,
    site: Sequence[str],
    group: Sequence[str],
    event: Sequence[Any],
    topic: int | None,
    title: str | None,
    silent: bool | None,
    quiet_hours: str | None,
) -> None:
    """Tell a chat of everything, or of what meets the conditions given.

    With several --site, --group or --event, any of each kind will do. Conditions add up over
    calls; the first ones end that a chat is told of everything. A chat that has conditions keeps
    them where only its title or sound is set. What no condition took goes to the default chat.
    """
    given = {"title": title, "silent": silent, "quiet_hours": quiet_hours}
    settings: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    if quiet_hours == "off":
        settings["quiet_hours"] = None
    wanted, thread, context = _wanted(site, group, event), thread_of(topic), os_user()
    with opened_database() as database:
        now = database.clock()
        told = database.write(
            lambda c: operations.add(c, now, context, chat_id, thread, wanted, settings)
        )
    if told.narrowed:
        click.echo("Until now it was told of everything.")
    click.echo(f"The chat {chat_id} is told of {'; '.join(told.routes)}.")
    click.echo(f"Try it: `manage.py chats test -- {chat_id}`.")


def _wanted(sites: Sequence[str], groups: Sequence[str], events: Sequence[Any]) -> list[Conditions]:
    """Return one set of conditions for each combination of what was given."""
    chosen = product(*(values or (None,) for values in (sites, groups, events)))
    return [Conditions(site, group, event) for site, group, event in chosen]
