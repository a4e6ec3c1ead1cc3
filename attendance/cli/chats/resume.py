"""`manage.py chats resume`."""

import click

from attendance.cli.audited import audited
from attendance.cli.chats.known import refuse_unknown
from attendance.cli.context import opened_database, os_user
from attendance.cli.options import NEGATIVE_ID, chat_argument, examples
from attendance.notifications import operations


@examples("chats resume -- -1001234567890")
@click.command(context_settings=NEGATIVE_ID)
@chat_argument
@audited("chat.resumed")
def resume(chat_id: str) -> None:
    """Send to a chat again that was paused, or that had refused us."""
    context = os_user()
    with opened_database() as database:
        now = database.clock()
        known = database.write(lambda c: operations.resume(c, now, context, chat_id))
    refuse_unknown(chat_id, known=known)
    click.echo(f"The chat {chat_id} is resumed.")
