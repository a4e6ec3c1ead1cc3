"""`manage.py db`: the database itself. A file for each command."""

import click

from attendance.cli.db import backup, check, move, upgrade


@click.group("db")
def group() -> None:
    """The database: upgraded, checked, copied."""


for command in (upgrade.upgrade, check.check, backup.backup, move.move):
    group.add_command(command)
