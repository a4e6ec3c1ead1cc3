"""`manage.py db check`."""

from typing import Any

import click

from attendance.audit import triggers
from attendance.cli.context import opened_database
from attendance.cli.options import examples, json_option
from attendance.cli.output import print_json
from attendance.db import Database, schema
from attendance.outbox import ready_triggers
from attendance.relocation import tables  # noqa: F401 - knows every model: all are compared


@examples("db check", "db check --json")
@click.command()
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


def all_faults(database: Database) -> list[str]:
    """Return what is wrong with what is stored, with its shape, or with what guards it."""
    return [*database.integrity_errors(), *_differences(database), *unguarded(database)]


def _differences(database: Database) -> list[str]:
    with database.snapshot() as connection:
        return [f"The schema differs: {_describe(one)}" for one in schema.differences(connection)]


def unguarded(database: Database) -> list[str]:
    """Return a sentence for each trigger that is gone: on it a promise rests."""
    with database.snapshot() as connection:
        gone = dict.fromkeys(triggers.missing(connection), "what is to stay can be changed")
        gone |= dict.fromkeys(ready_triggers.missing(connection), "messages can wait unseen")
    return [f"The trigger {name} is missing: {what}." for name, what in gone.items()]


def _describe(difference: Any) -> str:
    """Put Alembic's tuple in words: what would have to be done, and to what."""
    what, *rest = difference if isinstance(difference, tuple) else difference[0]
    return " ".join(
        [str(what), *(str(getattr(part, "name", part)) for part in rest if part is not None)]
    )
