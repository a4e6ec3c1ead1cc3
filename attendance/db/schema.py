"""The versions of the schema: run Alembic on a connection of ours, one process at a time."""

from collections.abc import Callable
from contextlib import closing, suppress
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect

from attendance.db.base import Base
from attendance.db.database import Database
from attendance.db.errors import BadDatabaseUrl, NoDatabase
from attendance.db.locking import has_concurrent_writers
from attendance.db.relocation import (
    refuse_closed,
    refuse_closed_by_an_older,
    refuse_incomplete,
)

_PACKAGE = Path(__file__).parent.parent
_FIRST_TABLES = {"api_key", "attendance", "client_event", "idempotency_key", "service_secret"}
"""Tables that our first migration creates, and that have been there ever since."""
_PLACES = (_PACKAGE.parent / "migrations", _PACKAGE / "migrations")
"""Where the migrations are: in a checkout, and in an installed package."""

Note = Callable[[Connection, datetime, str | None, str], object]
"""Called after an upgrade with its transaction, the time by the database's clock, and the revisions
before and after."""


def upgrade(
    url: str, group: str | None = None, note: Note = lambda *_: None
) -> tuple[str | None, str]:
    """Bring the database to this version's schema, creating it if need be; return the revisions
    before and after. If they differ, `note` is called in the same transaction. Whoever starts at
    the same time waits, and then finds nothing to do; nor is there anything to do with a newer
    schema.

    Raises:
        BadDatabaseUrl: it cannot be a database of ours, or is another program's.
        NoDatabase: there is no such database, and it cannot be made.
        Moved: it was moved away, or is not all here yet.
    """
    with suppress(NoDatabase), closing(Database.at(url)) as there:
        refuse_foreign(there)
    with Database.upgrading(url, group) as connection, closing(Database.at(url)) as database:
        refuse_closed(connection, database.name)
        return upgrade_within(connection, database.clock, note)


def refuse_foreign(database: Database) -> None:
    """Raise BadDatabaseUrl if the tables that are there were not made by our migrations. This only
    reads; the upgrade of a SQLite file would first of all change its header."""
    with database.snapshot() as connection:
        is_foreign = _is_foreign(connection)
    if is_foreign:
        raise BadDatabaseUrl(
            f"DATABASE_URL names {database.name}, which has the tables of another program: "
            "name a database of its own."
        )


def _is_foreign(connection: Connection) -> bool:
    tables = set(inspect(connection).get_table_names()) - {"alembic_version"}
    heads = MigrationContext.configure(connection).get_current_heads()
    if heads:
        # Another program may have one such table by chance, and ours may have lost one, which
        # `differences` reports.
        return len(heads) > 1 or len(tables & _FIRST_TABLES) < 2
    # On a server others may have tables beside ours, as extensions do; a file is ours alone.
    ours = tables & Base.metadata.tables.keys()
    return bool(ours if has_concurrent_writers(connection) else tables)


def upgrade_within(
    connection: Connection, clock: Callable[[], datetime], note: Note
) -> tuple[str | None, str]:
    """Upgrade as `upgrade` does, but in the caller's transaction of `Database.upgrading`."""
    before = current_revision(connection)
    if before is not None and not is_outdated(connection):
        return before, before
    bring_up(connection)
    after = head_revision()
    note(connection, clock(), before, after)
    return before, after


def bring_up(connection: Connection) -> None:
    """Create the tables, or what they lack, in a transaction of `Database.upgrading`."""
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def head_revision() -> str:
    """Return the revision that this version of the code needs."""
    head = _scripts(_place()).get_current_head()
    assert head is not None  # noqa: S101 - there is a first migration
    return head


def current_revision(connection: Connection) -> str | None:
    """Return the revision that the database has; None for an empty one."""
    return MigrationContext.configure(connection).get_current_revision()


def is_outdated(connection: Connection) -> bool:
    """Tell whether the database lacks what this version needs. A newer one does not: old and new
    versions run side by side during a rolling restart."""
    known = {script.revision for script in _scripts(_place()).walk_revisions()}
    return current_revision(connection) in {None, *known} - {head_revision()}


def require_current(database: Database) -> None:
    """Refuse a database that this version cannot work with.

    Raises:
        BadDatabaseUrl: it is another program's.
        NoDatabase: it has not been upgraded.
        Moved: what was moved here is not all here yet, or an older version has closed it.
    """
    refuse_foreign(database)
    with database.snapshot() as connection:
        refuse_incomplete(connection, database.name)
        if is_outdated(connection):
            refuse_closed_by_an_older(connection, database.name)
            what = "nothing yet" if current_revision(connection) is None else "an older version"
            raise NoDatabase(
                f"The database {database.name} has the shape of {what}: "
                "run `manage.py db upgrade` (DATABASE_URL names it)."
            )


def require_open(database: Database) -> None:
    """Refuse what `require_current` refuses, and a database that can only be read.

    Raises:
        BadDatabaseUrl: it is another program's.
        NoDatabase: it has not been upgraded.
        Moved: it was moved away, or is not all here yet.
    """
    require_current(database)
    with database.snapshot() as connection:
        refuse_closed(connection, database.name)


def differences(connection: Connection) -> list[Any]:
    """Return how the database's tables differ from the models; empty if they agree. The models must
    have been imported."""
    return list(compare_metadata(MigrationContext.configure(connection), Base.metadata))


@cache
def _scripts(place: Path) -> ScriptDirectory:
    """Read the migrations at `place`, once: it takes longer than anything else that a start does
    with them."""
    return ScriptDirectory(place)


def _place() -> Path:
    return next((place for place in _PLACES if (place / "env.py").exists()), _PLACES[0])


def _config() -> Config:
    config = Config()
    # `%` would begin an interpolation of ConfigParser's.
    config.set_main_option("script_location", str(_place()).replace("%", "%%"))
    return config
