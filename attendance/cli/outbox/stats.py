"""`manage.py outbox stats`."""

import click

from attendance.cli.context import opened_database
from attendance.cli.options import examples, json_option
from attendance.cli.output import print_fields, print_json
from attendance.outbox import queries


@examples("outbox stats", "outbox stats --json")
@click.command()
@json_option
def stats(as_json: bool) -> None:
    """Count messages by status; the age of the oldest that is due; what holds things up."""
    with opened_database() as database, database.snapshot() as connection:
        found = queries.stats(connection, database.clock()).as_dict()
    if as_json:
        print_json(found)
        return
    counts = found.pop("counts")
    print_fields({**counts, **found})
