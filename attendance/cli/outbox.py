"""`manage.py outbox`: what waits, what failed, and what to do about it."""

from datetime import datetime
from functools import partial

import click
from sqlalchemy import Connection

from attendance.cli.audited import audited
from attendance.cli.common import (
    When,
    examples,
    json_option,
    opened_database,
    os_user,
    print_fields,
    print_json,
    print_rows,
)
from attendance.cli.purge import purge
from attendance.cli.watch import watch
from attendance.notifications import texts
from attendance.notifications.operations import record_changes, record_refused
from attendance.outbox import admin, queries
from attendance.outbox.models import STATUSES, Status

_LARGEST_ID = 2**63 - 1
_ids = click.argument("ids", nargs=-1, type=click.IntRange(1, _LARGEST_ID), metavar="[ID]...")
_reason = click.option("--reason", help="Why, for the audit trail.")
_COLUMNS = {
    "id": "ID",
    "status": "STATUS",
    "attempts": "TRIES",
    "chat_id": "CHAT",
    "created_at": "CREATED",
    "last_error": "LAST ERROR",
}
_ATTEMPT_COLUMNS = {
    "number": "TRY",
    "started_at": "STARTED",
    "ended_at": "ENDED",
    "outcome": "OUTCOME",
    "error": "ERROR",
}


@click.group()
def outbox() -> None:
    """The messages: what waits, what failed, and what to do about it."""


@examples("outbox list --status failed", "outbox list --chat -1001234567890 --json")
@outbox.command("list")
@click.option("--status", type=click.Choice(STATUSES), help="Only these.")
@click.option("--chat", help="Only messages to this chat.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True)
@json_option
def list_(status: Status | None, chat: str | None, limit: int, as_json: bool) -> None:
    """List messages, the newest first."""
    with opened_database() as database, database.snapshot() as connection:
        rows = queries.messages(connection, status=status, chat_id=chat, limit=limit)
    print_rows(rows, _COLUMNS, as_json=as_json, empty="No messages.")


@examples("outbox show 17")
@outbox.command()
@click.argument("message_id", metavar="ID", type=click.IntRange(1, _LARGEST_ID))
@json_option
def show(message_id: int, as_json: bool) -> None:
    """Show one message with each attempt to deliver it."""
    with opened_database() as database, database.snapshot() as connection:
        message = queries.message(connection, message_id)
    if message is None:
        raise click.ClickException(f"There is no message {message_id}.")
    if as_json:
        print_json(message)
        return
    attempts = message.pop("attempt_list")
    print_fields(message)
    click.echo()
    print_rows(attempts, _ATTEMPT_COLUMNS, as_json=False, empty="No attempt has ended yet.")


@examples("outbox stats", "outbox stats --json")
@outbox.command()
@json_option
def stats(as_json: bool) -> None:
    """Count messages by status; the age of the oldest that is due; what holds things up."""
    with opened_database() as database, database.snapshot() as connection:
        found = queries.stats(connection, database.clock()).as_dict()
    if as_json:
        print_json(found)
        return
    counts = found.pop("counts")
    print_fields({**counts, **found})


@examples(
    "outbox retry --dry-run",
    "outbox retry 17 18 --reason 'bot was readmitted'",
    "outbox retry --error 'blocked by the user' --since 12h",
    "outbox retry --chat -1001234567890",
)
@outbox.command()
@_ids
@click.option("--error", help="Only messages whose last error contains this.")
@click.option("--chat", help="Only messages to this chat.")
@click.option("--since", type=When(), help="Only messages created since: a time, or 12h, 7d.")
@click.option("--dry-run", is_flag=True, help="Say what would change, and change nothing.")
@_reason
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
    chosen = admin.Filter(ids, error, chat, since)
    context = os_user()

    def work(connection: Connection, now: datetime) -> admin.Changes:
        changes = admin.retry(connection, now, chosen, dry_run=dry_run)
        if not dry_run:
            record_changes(connection, now, context, "outbox.retried", changes, "pending", reason)
            record_refused(connection, now, context, "outbox.retried", changes)
        return changes

    with opened_database() as database:
        changes = database.write(partial(work, now=database.clock()))
        with database.snapshot() as connection:
            parked = queries.parked_chats_of(connection, changes.waiting)
    count = _messages(len(changes.before))
    click.echo(
        f"{count} would go back to pending." if dry_run else f"{count} went back to pending."
    )
    for sentence in texts.parked(parked):
        click.echo(sentence)
    _exit_over_refused(changes, ("failed", "uncertain", "cancelled"))


@examples("outbox cancel 17 18 --reason 'sent by mail instead'")
@outbox.command()
@click.argument(
    "ids", nargs=-1, required=True, type=click.IntRange(1, _LARGEST_ID), metavar="ID..."
)
@_reason
@audited("outbox.cancelled")
def cancel(ids: tuple[int, ...], reason: str | None) -> None:
    """Give messages up that are not sent and not under way."""
    context = os_user()

    def work(connection: Connection, now: datetime) -> admin.Changes:
        changes = admin.cancel(connection, now, ids)
        record_changes(connection, now, context, "outbox.cancelled", changes, "cancelled", reason)
        record_refused(connection, now, context, "outbox.cancelled", changes)
        return changes

    with opened_database() as database:
        changes = database.write(partial(work, now=database.clock()))
    click.echo(f"{_messages(len(changes.before))} cancelled.")
    _exit_over_refused(changes, ("pending", "failed", "uncertain"))


outbox.add_command(purge)
outbox.add_command(watch)


def _messages(count: int) -> str:
    return "1 message" if count == 1 else f"{count} messages"


def _exit_over_refused(changes: admin.Changes, needed: tuple[Status, ...]) -> None:
    """Exit 1 where a message that was named is not what it would have to be."""
    for message_id, status in changes.refused.items():
        click.echo(f"Message {message_id} {_why(status, needed)}: left alone.", err=True)
    if changes.refused:
        raise click.exceptions.Exit(1)


def _why(status: str | None, needed: tuple[Status, ...]) -> str:
    if status is None:
        return "does not exist"
    if status in needed:
        return f"is {status}, but not what the options ask for"
    return f"is {status}, not {', '.join(needed[:-1])} or {needed[-1]}"
