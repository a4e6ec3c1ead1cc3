"""`manage.py outbox purge`: forget what is done with, before its time."""

from datetime import datetime, timedelta

import click

from attendance.cli.audited import audited
from attendance.cli.context import load_settings, opened_database, os_user
from attendance.cli.options import When, examples, reason_option
from attendance.cli.output import plural
from attendance.db import Database
from attendance.maintenance import pruner
from attendance.outbox import pruning

_BATCH = 500
_YOUNGEST = timedelta(hours=1)


@examples("outbox purge --dry-run", "outbox purge --older-than 30d --reason 'privacy policy'")
@click.command()
@click.option(
    "--older-than",
    type=When(),
    help="Settled before this: 30d, or a time.  [OUTBOX_RETENTION_DAYS]",
)
@click.option("--dry-run", is_flag=True, help="Say what would be forgotten, and forget nothing.")
@reason_option
@audited("outbox.pruned")
def purge(older_than: datetime | None, dry_run: bool, reason: str | None) -> None:
    """Forget messages that were sent or cancelled, with their attempts.

    Failed and uncertain ones stay, however old: retry or cancel them first. So do the attendance
    records and the audit trail. This is safe beside a running service, which does the same by
    itself after OUTBOX_RETENTION_DAYS.
    """
    with opened_database() as database:
        now = database.clock()
        before = older_than or now - timedelta(days=load_settings().outbox_retention_days)
        if before > now - _YOUNGEST:
            refusal = "--older-than must be 1h or more: a late attempt may yet be noted."
            raise click.UsageError(refusal)
        count = _count(database, before) if dry_run else _purge(database, now, before, reason)
    purged = "would be purged" if dry_run else "purged"
    click.echo(f"{count} {plural(count, 'message')} {purged}.")


def _count(database: Database, before: datetime) -> int:
    with database.snapshot() as connection:
        return pruning.count(connection, before)


def _purge(database: Database, now: datetime, before: datetime, reason: str | None) -> int:
    """Forget in batches, so that nobody else who writes waits for long; return how many."""
    context, total = os_user(), 0
    while done := database.write(
        lambda c: pruner.prune_messages(c, now, before, _BATCH, context, reason)
    ):
        total += done
    return total
