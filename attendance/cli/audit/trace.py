"""`manage.py audit trace`."""

from typing import Any

import click

from attendance.cli.audit.list import COLUMNS
from attendance.cli.context import opened_database
from attendance.cli.options import examples, json_option
from attendance.cli.output import print_json, print_rows
from attendance.records.trace import follow

_TRACED = {
    "audit": COLUMNS,
    "attendance": {
        "id": "ID",
        "person_id": "PERSON",
        "event": "EVENT",
        "occurred_at": "OCCURRED",
        "received_at": "RECEIVED",
    },
    "messages": {
        "id": "ID",
        "chat_id": "CHAT",
        "status": "STATUS",
        "sent_at": "SENT",
        "telegram_message_id": "TELEGRAM'S ID",
        "request_id": "BY REQUEST",
    },
}
_ATTEMPTS = {
    "message": "MESSAGE",
    "number": "TRY",
    "started_at": "STARTED",
    "ended_at": "ENDED",
    "outcome": "OUTCOME",
    "error": "ERROR",
}


@examples("audit trace 87959e259fca44d380204f9a941b76da")
@click.command()
@click.argument("request_id", metavar="ID")
@json_option
def trace(request_id: str, as_json: bool) -> None:
    """Follow one request (its X-Request-Id) to what was recorded, told, tried and delivered."""
    with opened_database() as database, database.snapshot() as connection:
        found = follow(connection, request_id)
    if found is None:
        raise click.ClickException(f"The trail knows no request {request_id}.")
    if as_json:
        print_json(found)
        return
    for what, columns in _TRACED.items():
        click.echo(what.capitalize())
        print_rows(found[what], columns, as_json=False, empty="-")
        click.echo()
    click.echo("Attempts")
    attempts = [one for message in found["messages"] for one in _attempts(message)]
    print_rows(attempts, _ATTEMPTS, as_json=False, empty="-")


def _attempts(message: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"message": message["id"], **attempt} for attempt in message["attempt_list"]]
