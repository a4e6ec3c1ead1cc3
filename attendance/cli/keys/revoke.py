"""`manage.py keys revoke`."""

import click

from attendance import api_keys
from attendance.cli.audited import audited
from attendance.cli.context import os_user
from attendance.cli.keys.changes import change
from attendance.cli.options import examples


@examples("keys revoke front-door", "keys revoke 3")
@click.command()
@click.argument("name_or_id")
@audited("key.revoked")
def revoke(name_or_id: str) -> None:
    """End a key at once, everywhere."""
    context = os_user()
    change(lambda connection, now: api_keys.revoke(connection, now, context, name_or_id))
    click.echo(f"The key {name_or_id} is revoked.")
