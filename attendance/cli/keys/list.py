"""`manage.py keys list`."""

import click

from attendance import api_keys
from attendance.cli.context import opened_database
from attendance.cli.options import examples, json_option
from attendance.cli.output import print_rows

_COLUMNS = {
    "id": "ID",
    "name": "NAME",
    "role": "ROLE",
    "created_at": "CREATED",
    "last_used_at": "LAST USED",
    "revoked_at": "REVOKED",
}


@examples("keys list", "keys list --json")
@click.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List all keys, the revoked ones too."""
    with opened_database() as database, database.snapshot() as connection:
        rows = api_keys.listed(connection)
    empty = "No keys yet: make one with `manage.py keys create NAME --role frontend`."
    print_rows(rows, _COLUMNS, as_json=as_json, empty=empty)
