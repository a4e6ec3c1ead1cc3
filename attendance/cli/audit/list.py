"""`manage.py audit list`."""

from typing import Any

import click

from attendance.audit import listing
from attendance.cli.audit.filters import filters
from attendance.cli.context import opened_database
from attendance.cli.options import examples, json_option
from attendance.cli.output import print_rows

COLUMNS = {
    "id": "ID",
    "occurred_at": "WHEN",
    "actor_name": "WHO",
    "action": "ACTION",
    "outcome": "OUTCOME",
    "target_type": "ON",
    "target_id": "ID OF IT",
    "reason": "REASON",
}


@examples(
    "audit list --since 24h",
    "audit list --action outbox.retried",
    "audit list --target attendance:17 --json",
    "audit list --before 1200 --limit 200",
)
@click.command("list")
@filters
@click.option("--before", type=click.IntRange(1), metavar="ID", help="Only rows before this one.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True)
@json_option
def list_(before: int | None, limit: int, as_json: bool, **chosen: Any) -> None:
    """List the trail, the newest first; the next page is what lies before its last row."""
    with opened_database() as database, database.snapshot() as connection:
        rows = listing.entries(connection, listing.Filter(**chosen), before_id=before, limit=limit)
    print_rows(rows, COLUMNS, as_json=as_json, empty="Nothing in the trail fits.")
