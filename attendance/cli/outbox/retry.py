"""`manage.py outbox retry`."""

from datetime import datetime

import click

from attendance.cli.audited import audited
from attendance.cli.context import opened_database, os_user
from attendance.cli.options import When, examples, reason_option
from attendance.cli.outbox.changes import MESSAGE_ID, exit_over_refused
from attendance.cli.output import plural
from attendance.notifications import operations
from attendance.outbox.admin import Filter


@examples(
    "outbox retry --dry-run",
    "outbox retry 17 18 --reason 'bot was readmitted'",
    "outbox retry --error 'blocked by the user' --since 12h",
    "outbox retry --chat -1001234567890",
)
@click.command()
@click.argument("ids", nargs=-1, type=MESSAGE_ID, metavar="[ID]...")
@click.option("--error", help="Only messages whose last error contains this.")
@click.option("--chat", help="Only messages to this chat.")
@click.option("--since", type=When(), help="Only messages created since: a time, or 12h, 7d.")
@click.option("--dry-run", is_flag=True, help="Say what would change, and change nothing.")
@reason_option
@audited("outbox.retried")
def retry(
    ids: tuple[int, ...],
    error: str | None,
    chat: str | None,
    since: datetime | None,
    dry_run: bool,
    reason: str | None,
) -> None:
    """Put messages back to pending: those named, or every failed and uncertain one.

    Cancelled messages go back only where they are named. What is pending, under way or sent is
    left alone, so this is safe beside a running service, which picks the messages up by itself.
    """
    chosen, context = Filter(ids, error, chat, since), os_user()
    with opened_database() as database:
        now = database.clock()
        changes = database.write(
            lambda c: operations.retry(c, now, context, chosen, reason, dry_run=dry_run)
        )
        with database.snapshot() as connection:
            to_resume = operations.chats_to_resume(connection, changes)
    count, went = len(changes.before), "would go" if dry_run else "went"
    click.echo(f"{count} {plural(count, 'message')} {went} back to pending.")
    for sentence in to_resume:
        click.echo(sentence)
    exit_over_refused(changes, ("failed", "uncertain", "cancelled"))
