"""`manage.py keys create`."""

from datetime import datetime

import click
from sqlalchemy import Connection

from attendance import api_keys
from attendance.cli.audited import audited
from attendance.cli.context import os_user
from attendance.cli.keys.changes import change, new_token, print_key
from attendance.cli.options import examples, json_option
from attendance.models import ROLES, Role


@examples("keys create front-door --role frontend", "keys create ines --role auditor --json")
@click.command()
@click.argument("name")
@click.option("--role", type=click.Choice(ROLES), required=True, help="What the key may do.")
@json_option
@audited("key.created")
def create(name: str, role: Role, as_json: bool) -> None:
    """Make a key called NAME and print it: the last line is the key alone."""
    context, token = os_user(), new_token()

    def work(connection: Connection, now: datetime) -> str:
        return api_keys.create(
            connection, now, context, name=name, role=role, random_token=lambda: token
        )

    print_key(name, role, change(work), as_json=as_json)
