"""`manage.py db move`: from SQLite to PostgreSQL."""

import sqlite3
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import click
from sqlalchemy.exc import DBAPIError

from attendance import relocation
from attendance.cli.audited import audited
from attendance.cli.context import load_settings, opened_database, os_user
from attendance.cli.db.check import all_faults
from attendance.cli.db.upgrade import note_upgrade
from attendance.cli.options import examples
from attendance.cli.output import aligned, steering
from attendance.config.secrets import without_passwords
from attendance.db import BadDatabaseUrl, Database, DatabaseError, SqliteDatabase, schema
from attendance.relocation.comparing import Compared

_HOW = "postgresql+psycopg://user@host/attendance"


@examples(
    f"db move --to {_HOW}",
    "db move --to-file /etc/attendance/postgresql.url",
    "db move --cancel",
)
@click.command()
@click.option("--to", "url", metavar="URL", help="An empty database on PostgreSQL.")
@click.option(
    "--to-file",
    "file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="A file that holds the URL, and in it the password.",
)
@click.option("--cancel", is_flag=True, help="Give the move up, and open this database again.")
@click.option("--discard", is_flag=True, help="With --cancel: also where the move is complete.")
def move(url: str | None, file: Path | None, cancel: bool, discard: bool) -> None:
    """Move everything from SQLite to PostgreSQL: stop the service first.

    The database that is left is closed to all who write, copied in one transaction, read again on
    both sides and compared. Interrupted, the same command goes on. In the end a service refuses to
    start on the old one, which can still be read, verified and backed up; DATABASE_URL is to name
    the new one.
    """
    if [url is not None, file is not None, cancel].count(True) != 1 or (discard and not cancel):
        raise click.UsageError("Give --to URL, --to-file FILE, or --cancel (and --discard).")
    if cancel:
        _cancel(discard=discard)
    else:
        _move(url=url, file=file)


@audited("db.reopened")
def _cancel(*, discard: bool) -> None:
    url = load_settings().database_url
    with closing(Database.at(url)) as database:
        schema.refuse_foreign(database)
        place = relocation.reopen(database, url, os_user(), note_upgrade, discard=discard)
        click.echo(f"{database.name} is open again. Drop what there may be of it in {place}.")


@audited("db.moved")
def _move(*, url: str | None, file: Path | None) -> None:
    there = _target_url(url, file)
    with opened_database() as source, _opened_target(there) as target:
        _refuse_unsound(source)
        key = load_settings().audit_hmac_key
        steps = relocation.Move(source, target, there, os_user(), key)
        with _blaming_the_right_one(source):
            compared = steps.run(_bar)
        if compared:
            _tell(compared, target.name)
        else:
            click.echo(f"All of it is in {target.name} already.")


def _tell(compared: Sequence[Compared], name: str) -> None:
    rows = [(one.table, f"{one.rows:,}", one.sha256) for one in compared if one.rows]
    for line in aligned([("TABLE", "ROWS", "SHA-256 ON BOTH SIDES"), *rows]):
        click.echo(line)
    click.echo(f"{sum(one.rows for one in compared):,} rows moved to {name}.")
    click.echo("Set DATABASE_URL to it, and start the service.")


def _target_url(url: str | None, file: Path | None) -> str:
    """Return the URL that was given, by either option."""
    try:
        given = url if file is None else file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text in UTF-8"
        raise click.ClickException(f"{file} cannot be read: {reason}.") from None
    assert given is not None  # noqa: S101 - one of the two is given
    if not given.startswith("postgresql+psycopg:"):
        raise click.UsageError(f"A database moves to PostgreSQL: give a URL such as {_HOW}.")
    if url is not None and without_passwords(url) != url:
        click.echo(
            "The password could be seen in the list of processes: --to-file keeps it out, and so "
            "does PGPASSWORD.",
            err=True,
        )
    return given


@contextmanager
def _opened_target(url: str) -> Iterator[Database]:
    try:
        target = Database.at(url)
    except BadDatabaseUrl as error:
        raise click.ClickException(str(error).replace("DATABASE_URL", "The URL given")) from None
    try:
        yield target
    finally:
        target.close()


def _refuse_unsound(source: Database) -> None:
    if not isinstance(source, SqliteDatabase):
        raise DatabaseError(f"DATABASE_URL names {source.name}, which is on PostgreSQL already.")
    if found := all_faults(source):
        raise DatabaseError(f"{found[0]} Mend that first: `manage.py db check`.")


@contextmanager
def _blaming_the_right_one(source: Database) -> Iterator[None]:
    """Say of what fails in the middle who refused what, and what is to be done then."""
    try:
        yield
    except relocation.CannotMove:
        raise  # it says so itself
    except (DBAPIError, DatabaseError) as error:
        raise DatabaseError(f"{_refusal(error)} {relocation.way_on(source)}".rstrip()) from None


def _refusal(error: DBAPIError | DatabaseError) -> str:
    """Say which of the two databases refused: not always the one that DATABASE_URL names."""
    if isinstance(error, DatabaseError):
        return str(error)
    ours = isinstance(error.orig, sqlite3.Error)
    which = "DATABASE_URL names" if ours else "is moved to"
    reason = str(error.orig).partition("\n")[0]
    return f"The database that {which} refused: {reason}."


@contextmanager
def _bar(label: str, rows: int) -> Iterator[Callable[[int], object]]:
    with click.progressbar(
        length=rows, label=label, file=steering(sys.stderr), hidden=not sys.stderr.isatty()
    ) as bar:
        yield bar.update
