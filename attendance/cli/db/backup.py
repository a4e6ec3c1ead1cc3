"""`manage.py db backup`."""

from contextlib import suppress
from pathlib import Path

import click

from attendance import audit
from attendance.cli.audited import audited
from attendance.cli.context import opened_database, os_user
from attendance.cli.options import examples
from attendance.db import Moved


@examples("db backup /var/backups/attendance-2026-11-23.db")
@click.command()
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
