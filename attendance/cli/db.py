"""`manage.py db`: the database itself."""

from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import click
from sqlalchemy import Connection

from attendance import audit
from attendance.audit import triggers
from attendance.cli.audited import audited
from attendance.cli.common import (
    examples,
    json_option,
    load_settings,
    opened_database,
    os_user,
    print_json,
)
from attendance.config import Settings
from attendance.db import Database, Moved, schema
from attendance.outbox import ready_triggers


@click.group()
def db() -> None:
    """The database: upgraded, checked, copied."""


@examples("db upgrade")
@db.command()
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


@examples("db check", "db check --json")
@db.command()
@json_option
def check(as_json: bool) -> None:
    """Check shape, integrity and references; exit 1 where something is wrong."""
    with opened_database() as database:
        found = all_faults(database)
    if as_json:
        print_json({"ok": not found, "faults": found})
    else:
        click.echo("\n".join(found) if found else "The database is sound.")
    if found:
        raise click.exceptions.Exit(1)


@examples("db backup /var/backups/attendance-2026-11-23.db")
@db.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@audited("db.backup")
def backup(file: Path) -> None:
    """Write a consistent copy to FILE while the service runs. FILE must not exist."""
    with opened_database() as database:
        size = database.backup(file.absolute())
        now, context = database.clock(), os_user()
        after = {"file": str(file.absolute()), "bytes": size}
        with suppress(Moved):  # the trail goes on in the other database
            database.write(
                lambda connection: audit.append(connection, now, context, "db.backup", after=after)
            )
    click.echo(f"{file} written, {size:,} bytes, checked.")


def upgraded(settings: Settings) -> tuple[str | None, str]:
    """Upgrade the database and note it in its trail; the revisions before and after. One that is
    made is said to be new: a mistyped DATABASE_URL would begin afresh unseen."""
    url = settings.database_url
    before, after = schema.upgrade(url, settings.database_group, note_upgrade)
    if before is None:
        click.echo(f"A new database was made: {Database.at(url).name} (DATABASE_URL), at {after}.")
    return before, after


def note_upgrade(connection: Connection, now: datetime, before: str | None, after: str) -> None:
    """In the trail, by who runs the command."""
    was, became = {"revision": before}, {"revision": after}
    audit.append(connection, now, os_user(), "db.upgraded", before=was, after=became)


def all_faults(database: Database) -> list[str]:
    """What is wrong with what is stored, with its shape, or with what guards it."""
    return [*database.integrity_errors(), *_differences(database), *unguarded(database)]


def _differences(database: Database) -> list[str]:
    with database.snapshot() as connection:
        return [f"The schema differs: {_describe(one)}" for one in schema.differences(connection)]


def unguarded(database: Database) -> list[str]:
    """A sentence for each trigger that is gone: on it a promise rests."""
    with database.snapshot() as connection:
        gone = dict.fromkeys(triggers.missing(connection), "what is to stay can be changed")
        gone |= dict.fromkeys(ready_triggers.missing(connection), "messages can wait unseen")
    return [f"The trigger {name} is missing: {what}." for name, what in gone.items()]


def _describe(difference: Any) -> str:
    """Alembic's tuple in words: what would have to be done, and to what."""
    what, *rest = difference if isinstance(difference, tuple) else difference[0]
    return " ".join(
        [str(what), *(str(getattr(part, "name", part)) for part in rest if part is not None)]
    )
