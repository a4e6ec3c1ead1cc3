"""`manage.py outbox list`."""

import click

from attendance.cli.context import opened_database
from attendance.cli.options import examples, json_option
from attendance.cli.output import print_rows
from attendance.outbox import queries
from attendance.outbox.models import STATUSES, Status

_COLUMNS = {
    "id": "ID",
    "status": "STATUS",
    "attempts": "TRIES",
    "chat_id": "CHAT",
    "created_at": "CREATED",
    "last_error": "LAST ERROR",
}


@examples("outbox list --status failed", "outbox list --chat -1001234567890 --json")
@click.command("list")
@click.option("--status", type=click.Choice(STATUSES), help="Only these.")
@click.option("--chat", help="Only messages to this chat.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True)
@json_option
def list_(status: Status | None, chat: str | None, limit: int, as_json: bool) -> None:
    """List messages, the newest first."""
    with opened_database() as database, database.snapshot() as connection:
        rows = queries.messages(connection, status=status, chat_id=chat, limit=limit)
    print_rows(rows, _COLUMNS, as_json=as_json, empty="No messages.")
