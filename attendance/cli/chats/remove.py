"""`manage.py chats remove`."""

from collections.abc import Sequence

import click

from attendance.cli.audited import audited
from attendance.cli.chats.routes import route_options
from attendance.cli.context import load_settings, opened_database, os_user
from attendance.cli.options import NEGATIVE_ID, chat_argument, examples
from attendance.notifications import operations
from attendance.notifications.routing import thread_of


@examples("chats remove -- -1001234567890", "chats remove --site Berlin -- -1001234567890")
@click.command(context_settings=NEGATIVE_ID)
@chat_argument
@route_options
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
    threads = [] if topic is None else [thread_of(topic)]
    given = {"site": site, "group": group, "event": event, "thread_id": threads}
    chosen = {name: values for name, values in given.items() if values}
    context = os_user()
    with opened_database() as database:
        now = database.clock()
        removed = database.write(lambda c: operations.remove(c, now, context, chat_id, chosen))
    if not removed:
        what = "no such route" if chosen else "no route"
        raise click.ClickException(
            f"The chat {chat_id} has {what}: `manage.py chats list` shows them."
        )
    click.echo(f"The chat {chat_id} is no more told of {'; '.join(removed)}.")
    click.echo("What waits for it still goes out, and its history stays.")
    if chat_id == load_settings().telegram_chat_id:
        click.echo("TELEGRAM_CHAT_ID names it: it is told of what no condition takes.")
