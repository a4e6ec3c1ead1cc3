"""`manage.py chats`: the destinations and their state."""

import click
from sqlalchemy import Connection

from attendance import audit
from attendance.cli.common import examples, json_option, opened_database, os_user, print_rows
from attendance.db import utc_now
from attendance.outbox import admin, listing

_COLUMNS = {
    "chat_id": "CHAT",
    "waiting": "WAITING",
    "parked_at": "PARKED",
    "park_reason": "REASON",
    "hold_until": "HELD UNTIL",
    "migrated_to": "MOVED TO",
}


@click.group()
def chats() -> None:
    """The chats that messages go to. Put -- before a negative id."""


@examples("chats list", "chats list --json")
@chats.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List the chats, what waits for them, and whether they are parked or held."""
    with opened_database() as database, database.read() as connection:
        rows = listing.chats(connection)
    print_rows(rows, _COLUMNS, as_json=as_json, empty="No message has been addressed yet.")


@examples("chats pause -- -1001234567890", "chats pause --reason holidays -- -1001234567890")
@chats.command()
@click.argument("chat_id")
@click.option("--reason", default="paused by an admin", show_default=True)
def pause(chat_id: str, reason: str) -> None:
    """Send nothing to a chat until it is resumed; its messages wait."""
    _change(chat_id, "chat.paused", reason)
    click.echo(f"The chat {chat_id} is paused.")


@examples("chats resume -- -1001234567890")
@chats.command()
@click.argument("chat_id")
def resume(chat_id: str) -> None:
    """Send to a chat again that was paused, or that had refused us."""
    _change(chat_id, "chat.resumed", None)
    click.echo(f"The chat {chat_id} is resumed.")


def _change(chat_id: str, action: str, reason: str | None) -> None:
    now, context = utc_now(), os_user()

    def work(connection: Connection) -> bool:
        if reason is None:
            known = admin.resume(connection, now, chat_id)
        else:
            known = admin.pause(connection, now, chat_id, reason)
        if known:
            target = ("chat", chat_id)
            audit.record(connection, now, context, action, target=target, reason=reason)
        return known

    with opened_database() as database:
        known = database.write(work)
    if not known:
        raise click.ClickException(
            f"No message was ever addressed to {chat_id}: `manage.py chats list` shows the chats."
        )
