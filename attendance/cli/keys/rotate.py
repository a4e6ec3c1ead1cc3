"""`manage.py keys rotate`."""

from datetime import datetime

import click
from sqlalchemy import Connection

from attendance import api_keys
from attendance.cli.audited import audited
from attendance.cli.context import os_user
from attendance.cli.keys.changes import change, new_token, print_key
from attendance.cli.options import examples, json_option


@examples("keys rotate front-door")
@click.command()
@click.argument("name_or_id")
@json_option
@audited("key.rotated")
def rotate(name_or_id: str, as_json: bool) -> None:
    """Replace a key by a new one of the same name and role; the old one ends at once.

    What clients sent under the old key (Idempotency-Key, client_event_id) stays known.
    """
    context, token = os_user(), new_token()

    def work(connection: Connection, now: datetime) -> str:
        return api_keys.rotate(
            connection, now, context, name_or_id=name_or_id, random_token=lambda: token
        )

    print_key(name_or_id, None, change(work), as_json=as_json)
