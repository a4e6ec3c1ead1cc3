"""What the commands that change messages share: how one is named, and what was left alone."""

import click

from attendance.notifications import left_alone
from attendance.outbox.admin import Changes
from attendance.outbox.models import Status

MESSAGE_ID = click.IntRange(1, 2**63 - 1)


def exit_over_refused(changes: Changes, needed: tuple[Status, ...]) -> None:
    """Exit 1 where a message that was named has none of the statuses that it needs."""
    for message_id, status in changes.refused.items():
        click.echo(left_alone.not_one_of(needed, message_id, status), err=True)
    if changes.refused:
        raise click.exceptions.Exit(1)
