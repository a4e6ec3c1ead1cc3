"""`manage.py outbox cancel`."""

import click

from attendance.cli.audited import audited
from attendance.cli.context import opened_database, os_user
from attendance.cli.options import examples, reason_option
from attendance.cli.outbox.changes import MESSAGE_ID, exit_over_refused
from attendance.cli.output import plural
from attendance.notifications import operations


@examples("outbox cancel 17 18 --reason 'sent by mail instead'")
@click.command()
@click.argument("ids", nargs=-1, required=True, type=MESSAGE_ID, metavar="ID...")
@reason_option
@audited("outbox.cancelled")
def cancel(ids: tuple[int, ...], reason: str | None) -> None:
    """Give messages up that are not sent and not under way."""
    context = os_user()
    with opened_database() as database:
        now = database.clock()
        changes = database.write(lambda c: operations.cancel(c, now, context, ids, reason))
    count = len(changes.before)
    click.echo(f"{count} {plural(count, 'message')} cancelled.")
    exit_over_refused(changes, ("pending", "failed", "uncertain"))
