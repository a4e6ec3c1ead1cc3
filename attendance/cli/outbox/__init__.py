"""`manage.py outbox`: what waits, what failed, and what to do about it. A file for each command."""

import click

from attendance.cli.outbox import cancel, purge, retry, show, stats, watch
from attendance.cli.outbox import list as list_


@click.group("outbox")
def group() -> None:
    """The messages: what waits, what failed, and what to do about it."""


for command in (
    list_.list_,
    show.show,
    stats.stats,
    retry.retry,
    cancel.cancel,
    purge.purge,
    watch.watch,
):
    group.add_command(command)
