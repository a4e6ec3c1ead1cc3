"""`manage.py db upgrade`."""

from datetime import datetime

import click
from sqlalchemy import Connection

from attendance import audit
from attendance.cli.audited import audited
from attendance.cli.context import load_settings, os_user
from attendance.cli.options import examples
from attendance.config import Settings
from attendance.db import Database, schema


@examples("db upgrade")
@click.command()
@audited("db.upgraded")
def upgrade() -> None:
    """Make the database, or bring it to this version's shape. Safe beside a running service."""
    settings = load_settings()
    before, after = upgraded(settings)
    name = Database.at(settings.database_url).name
    if before == after:
        click.echo(f"{name} is up to date ({after}).")
    elif before is not None:
        click.echo(f"{name} upgraded from {before} to {after}.")


def upgraded(settings: Settings) -> tuple[str | None, str]:
    """Upgrade the database and audit that; return the revisions before and after.

    A database that is made is said to be new: a mistyped DATABASE_URL would begin afresh unseen.
    """
    url = settings.database_url
    before, after = schema.upgrade(url, settings.database_group, note_upgrade)
    if before is None:
        click.echo(f"A new database was made: {Database.at(url).name} (DATABASE_URL), at {after}.")
    return before, after


def note_upgrade(connection: Connection, now: datetime, before: str | None, after: str) -> None:
    """Append the upgrade to the trail, under whoever runs the command."""
    was, became = {"revision": before}, {"revision": after}
    audit.append(connection, now, os_user(), "db.upgraded", before=was, after=became)
