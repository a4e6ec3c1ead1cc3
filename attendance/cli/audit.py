"""`manage.py audit`: the trail."""

from datetime import datetime

import click

from attendance.audit import listing
from attendance.cli import sealing
from attendance.cli.common import When, examples, json_option, opened_database, print_rows

_COLUMNS = {
    "id": "ID",
    "occurred_at": "WHEN",
    "actor_name": "WHO",
    "action": "ACTION",
    "outcome": "OUTCOME",
    "target_type": "ON",
    "target_id": "ID OF IT",
    "reason": "REASON",
}


@click.group()
def audit() -> None:
    """The audit trail: who did what, when, from where, with what outcome."""


@examples(
    "audit list --since 24h",
    "audit list --action outbox.retried",
    "audit list --target attendance:17 --json",
)
@audit.command("list")
@click.option("--actor", help="A key's or user's id or name.")
@click.option("--action", help="Such as attendance.recorded.")
@click.option("--target", help="An id, or type:id such as outbox:17.")
@click.option("--outcome", help="Such as success, refused or crashed.")
@click.option("--request-id", help="Everything that came of one request.")
@click.option("--since", type=When(), help="From this time on, or the last 12h, 7d.")
@click.option("--until", type=When(), help="Before this time.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True)
@json_option
def list_(
    limit: int, as_json: bool, since: datetime | None, until: datetime | None, **equal: str | None
) -> None:
    """List the trail, the newest first."""
    chosen = listing.Filter(since=since, until=until, **equal)
    with opened_database() as database, database.read() as connection:
        rows = listing.entries(connection, chosen, limit=limit)
    print_rows(rows, _COLUMNS, as_json=as_json, empty="Nothing in the trail fits.")


audit.add_command(sealing.verify)
audit.add_command(sealing.anchor)
