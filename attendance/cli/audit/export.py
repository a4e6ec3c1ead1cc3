"""`manage.py audit export`."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

import click

from attendance.audit import Context, export, listing
from attendance.cli.audit.filters import filters
from attendance.cli.audited import audited
from attendance.cli.context import opened_database, os_user
from attendance.cli.options import examples
from attendance.db import Database, Moved


@examples("audit export > trail.csv", "audit export --format jsonl --since 30d november.jsonl")
@click.command("export")
@click.argument("file", required=False, type=click.Path(path_type=Path, dir_okay=False))
@filters
@click.option("--format", "form", type=click.Choice(export.FORMS), default="csv", show_default=True)
@click.option("--raw", is_flag=True, help="CSV as stored, also where a cell looks like a formula.")
@audited("audit.exported")
def export_(file: Path | None, form: export.Form, raw: bool, **chosen: Any) -> None:
    """Write the trail to FILE, which must not exist, or to standard output; itself audited."""
    wanted = export.Export(listing.Filter(**chosen), form, raw)
    context = os_user()
    with opened_database() as database, _output(file) as output:
        for part in export.stream(database, wanted, _begin(database, context, wanted)):
            output.write(part)


def _begin(database: Database, context: Context, wanted: export.Export) -> int:
    """Audit the export, unless the database was moved away; return the last row to export."""
    now = database.clock()
    try:
        return database.write(lambda connection: export.begin(connection, now, context, wanted))
    except Moved:
        with database.snapshot() as connection:
            return listing.last_id(connection)


@contextmanager
def _output(file: Path | None) -> Iterator[TextIO]:
    """Open FILE, new and readable by this user alone, or standard output.

    Where the export fails, FILE is gone again.
    """
    if file is None:
        yield sys.stdout
        return
    try:
        descriptor = os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except OSError as error:
        raise click.ClickException(f"{file} cannot be made: {error.strerror}.") from None
    try:
        with open(descriptor, "w", encoding="utf-8", newline="") as output:  # noqa: PTH123
            yield output
    except BaseException:
        file.unlink(missing_ok=True)
        raise
