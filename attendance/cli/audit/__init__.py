"""`manage.py audit`: the trail. A file for each command."""

import click

from attendance.cli.audit import anchor, export, prune, trace, verify
from attendance.cli.audit import list as list_


@click.group("audit")
def group() -> None:
    """The audit trail: who did what, when, from where, with what outcome."""


for command in (
    list_.list_,
    export.export_,
    trace.trace,
    verify.verify,
    anchor.anchor,
    prune.prune,
):
    group.add_command(command)
