"""`manage.py keys`: who may call the API. A file for each command."""

import click

from attendance.cli.keys import create, revoke, rotate
from attendance.cli.keys import list as list_


@click.group("keys")
def group() -> None:
    """API keys: made, listed, rotated, revoked. A key is shown once and kept as a hash."""


for command in (create.create, list_.list_, rotate.rotate, revoke.revoke):
    group.add_command(command)
