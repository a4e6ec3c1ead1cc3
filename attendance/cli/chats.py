"""`manage.py chats`: the destinations, what they are told of, and their state."""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from functools import partial
from itertools import product
from typing import Any

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
    print_rows,
)
from attendance.cli.reaching import GENERAL_TOPIC, discover, test
from attendance.models import EVENTS
from attendance.notifications import routing
from attendance.notifications.routing import EVERYTHING, Added, Conditions
from attendance.outbox import admin, queries, quiet_hours
from attendance.outbox.queries import state_of

_COLUMNS = {
    "chat_id": "CHAT",
    "type": "TYPE",
    "title": "TITLE",
    "told": "TOLD OF",
    "sound": "SOUND",
    "waiting": "WAITING",
    "state": "STATE",
}

Command = Callable[..., Any]


@click.group()
def chats() -> None:
    """The chats that messages go to, and what each is told of."""


@examples("chats list", "chats list --json")
@chats.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List the chats: what they are told of, what waits for them, and what holds them up."""
    default = load_settings().telegram_chat_id
    with opened_database() as database, database.snapshot() as connection:
        now = database.clock()
        rows, routes = queries.chats(connection), routing.listed(connection)
    for row in rows:
        row["routes"] = [route for route in routes if route["chat_id"] == row["chat_id"]]
        row["default"] = row["chat_id"] == default
        row["state"] = state_of(row, now)
    if not as_json:
        rows = [{**row, "told": _told(row), "sound": _sound(row)} for row in rows]
    print_rows(rows, _COLUMNS, as_json=as_json, empty="No message has been addressed yet.")


def _route_options(command: Command) -> Command:
    """The options that name routes; of several values of one kind, any may hold."""
    for option in (
        click.option("--topic", type=click.IntRange(1), help="A topic of the group, by number."),
        click.option("--event", multiple=True, type=click.Choice(EVENTS), help="Only this event."),
        click.option("--group", multiple=True, help="Only this group."),
        click.option("--site", multiple=True, help="Only this site."),
    ):
        command = option(command)
    return command


def _quiet_hours(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    try:
        if value not in {None, "off"}:
            quiet_hours.parse(str(value))
    except ValueError as error:
        raise click.BadParameter(str(error)) from None
    return value


@examples(
    "chats add -- -1001234567890",
    "chats add --site HQ --site Berlin --event late -- -1001234567890",
    "chats add --topic 5 --title 'Night shift' --quiet-hours 22:00-07:00 -- -1001234567890",
)
@chats.command(context_settings=NEGATIVE_ID)
@chat_argument
@_route_options
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
    wanted = _wanted(site, group, event)
    topic = None if topic == GENERAL_TOPIC else topic
    with opened_database() as database:
        add = partial(_add, database.clock(), chat_id, topic, wanted, settings)
        added, routes = database.write(add)
    if added.narrowed:
        click.echo("Until now it was told of everything.")
    click.echo(f"The chat {chat_id} is told of {'; '.join(map(_route, routes))}.")
    click.echo(f"Try it: `manage.py chats test -- {chat_id}`.")


@examples("chats remove -- -1001234567890", "chats remove --site Berlin -- -1001234567890")
@chats.command(context_settings=NEGATIVE_ID)
@chat_argument
@_route_options
@audited("chat.removed")
def remove(
    chat_id: str,
    site: Sequence[str],
    group: Sequence[str],
    event: Sequence[str],
    topic: int | None,
) -> None:
    """Tell a chat no more: of anything, or by the routes that name what is given.

    What waits for it still goes out, and its history stays.
    """
    topics = [] if topic is None else [None if topic == GENERAL_TOPIC else topic]
    given = {"site": site, "group": group, "event": event, "thread_id": topics}
    chosen = {name: values for name, values in given.items() if values}
    with opened_database() as database:
        removed = database.write(partial(_remove, database.clock(), chat_id, chosen))
    if not removed:
        what = "no such route" if chosen else "no route"
        raise click.ClickException(
            f"The chat {chat_id} has {what}: `manage.py chats list` shows them."
        )
    click.echo(f"The chat {chat_id} is no more told of {'; '.join(removed)}.")
    click.echo("What waits for it still goes out, and its history stays.")
    if chat_id == load_settings().telegram_chat_id:
        click.echo("TELEGRAM_CHAT_ID names it: it is told of what no condition takes.")


@examples("chats pause -- -1001234567890", "chats pause --reason holidays -- -1001234567890")
@chats.command(context_settings=NEGATIVE_ID)
@chat_argument
@click.option("--reason", default="paused by an admin", show_default=True)
@audited("chat.paused")
def pause(chat_id: str, reason: str) -> None:
    """Send nothing to a chat until it is resumed; its messages wait."""
    _change(chat_id, "chat.paused", reason)
    click.echo(f"The chat {chat_id} is paused.")


@examples("chats resume -- -1001234567890")
@chats.command(context_settings=NEGATIVE_ID)
@chat_argument
@audited("chat.resumed")
def resume(chat_id: str) -> None:
    """Send to a chat again that was paused, or that had refused us."""
    _change(chat_id, "chat.resumed", None)
    click.echo(f"The chat {chat_id} is resumed.")


chats.add_command(test)
chats.add_command(discover)


def _add(
    now: datetime,
    chat_id: str,
    topic: int | None,
    wanted: Sequence[Conditions],
    settings: Mapping[str, Any],
    connection: Connection,
) -> tuple[Added, list[dict[str, Any]]]:
    """Add and audit; what was added, and all that the chat is told of now."""
    known = routing.listed(connection, chat_id)
    only_settings = bool(known and settings and topic is None) and EVERYTHING in wanted
    added = routing.add(connection, now, chat_id, topic, [] if only_settings else wanted)
    routing.set_up(connection, chat_id, **settings)
    routes = routing.listed(connection, chat_id)
    if added.made or added.narrowed or settings:
        after = {"routes": [_route(route) for route in routes], **settings}
        target = ("chat", chat_id)
        audit.append(connection, now, os_user(), "chat.added", target=target, after=after)
    return added, routes


def _remove(
    now: datetime, chat_id: str, chosen: Mapping[str, Collection[Any]], connection: Connection
) -> list[str]:
    """Remove the routes whose columns have one of the chosen values, and audit; those removed."""
    removed = routing.remove(
        connection,
        chat_id,
        lambda route: all(route[name] in values for name, values in chosen.items()),
    )
    gone = [_route(route) for route in removed]
    if gone:
        target, before = ("chat", chat_id), {"routes": gone}
        audit.append(connection, now, os_user(), "chat.removed", target=target, before=before)
    return gone


def _change(chat_id: str, action: str, reason: str | None) -> None:
    context = os_user()

    def work(connection: Connection, now: datetime) -> bool:
        if reason is None:
            known = admin.resume(connection, now, chat_id)
        else:
            known = admin.pause(connection, now, chat_id, reason)
        if known:
            target = ("chat", chat_id)
            audit.append(connection, now, context, action, target=target, reason=reason)
        return known

    with opened_database() as database:
        known = database.write(partial(work, now=database.clock()))
    if not known:
        raise click.ClickException(
            f"No message was ever addressed to {chat_id}: `manage.py chats list` shows the chats."
        )


def _wanted(sites: Sequence[str], groups: Sequence[str], events: Sequence[Any]) -> list[Conditions]:
    """One set of conditions for each combination of what was given."""
    chosen = product(*(values or (None,) for values in (sites, groups, events)))
    return [Conditions(site, group, event) for site, group, event in chosen]


def _told(chat: dict[str, Any]) -> str | None:
    by_default = ["what no condition takes"] if chat["default"] else []
    return "; ".join([*map(_route, chat["routes"]), *by_default]) or None


def _route(route: dict[str, Any]) -> str:
    """`site HQ, late (topic 5)`, or `everything`."""
    parts = (
        route["site"] and f"site {route['site']}",
        route["group"] and f"group {route['group']}",
        route["event"],
    )
    what = ", ".join(part for part in parts if part) or "everything"
    return f"{what} (topic {route['thread_id']})" if route["thread_id"] else what


def _sound(chat: dict[str, Any]) -> str:
    if chat["silent"]:
        return "off"
    return f"off {chat['quiet_hours']}" if chat["quiet_hours"] else "on"
