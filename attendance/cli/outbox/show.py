"""`manage.py outbox show`."""

import click

from attendance.cli.context import opened_database
from attendance.cli.options import examples, json_option
from attendance.cli.outbox.changes import MESSAGE_ID
from attendance.cli.output import print_fields, print_json, print_rows
from attendance.outbox import queries

_ATTEMPT_COLUMNS = {
    "number": "TRY",
    "started_at": "STARTED",
    "ended_at": "ENDED",
    "outcome": "OUTCOME",
    "error": "ERROR",
}


@examples("outbox show 17")
@click.command()
@click.argument("message_id", metavar="ID", type=MESSAGE_ID)
@json_option
def show(message_id: int, as_json: bool) -> None:
    """Show one message with each attempt to deliver it."""
    with opened_database() as database, database.snapshot() as connection:
        message = queries.message(connection, message_id)
    if message is None:
        raise click.ClickException(f"There is no message {message_id}.")
    if as_json:
        print_json(message)
        return
    attempts = message.pop("attempt_list")
    print_fields(message)
    click.echo()
    print_rows(attempts, _ATTEMPT_COLUMNS, as_json=False, empty="No attempt has ended yet.")
