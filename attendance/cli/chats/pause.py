"""`manage.py chats pause`."""

import click

from attendance.cli.audited import audited
from attendance.cli.chats.known import refuse_unknown
from attendance.cli.context import opened_database, os_user
from attendance.cli.options import NEGATIVE_ID, chat_argument, examples
from attendance.notifications import operations


@examples("chats pause -- -1001234567890", "chats pause --reason holidays -- -1001234567890")
@click.command(context_settings=NEGATIVE_ID)
@chat_argument
@click.option("--reason", default="paused by an admin", show_default=True)
@audited("chat.paused")
def pause(chat_id: str, reason: str) -> None:
    """Send nothing to a chat until it is resumed; its messages wait."""
    context = os_user()
    with opened_database() as database:
        now = database.clock()
        known = database.write(lambda c: operations.pause(c, now, context, chat_id, reason))
    refuse_unknown(chat_id, known=known)
    click.echo(f"The chat {chat_id} is paused.")
