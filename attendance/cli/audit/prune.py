"""`manage.py audit prune`."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import click

from attendance.audit import archive, pruning
from attendance.audit.archive import BadArchive
from attendance.cli.audited import audited
from attendance.cli.context import opened_database, os_user
from attendance.cli.options import When, examples
from attendance.cli.output import counted
from attendance.db import Database, Denied, Moved, Unavailable

_TURN_OF_OTHERS_SECONDS = 0.5


@examples(
    "audit prune --older-than 365d --archive /mnt/archive/trail-2025.jsonl --dry-run",
    "audit prune --older-than 365d --archive /mnt/archive/trail-2025.jsonl",
)
@click.command()
@click.option(
    "--older-than",
    "before",
    type=When(),
    required=True,
    help="A time, or an age: 90s, 30m (minutes), 12h, 365d.",
)
@click.option(
    "--archive",
    "file",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="A new file for what is cut off; `audit verify --archive` verifies it.",
)
@click.option("--dry-run", is_flag=True, help="Say what would go, and change nothing.")
@audited("audit.pruned")
def prune(before: datetime, file: Path, dry_run: bool) -> None:
    """Cut whole seals from the front of the trail, once they are in an archive and verified.

    The rows are deleted some ten thousand at a time, so that no writer waits long; each time is an
    act of its own in the trail, after which the trail verifies. No age is too small, but the newest
    seal always stays.
    """
    with opened_database() as database:
        with database.snapshot() as connection:
            cut = pruning.plan(connection, before)
        if cut is None:
            click.echo("Nothing was sealed before then.")
        elif dry_run:
            span = f"{cut.first_id} to {cut.last_id}"
            rows = cut.kept["first_seq"] - 1
            click.echo(f"Seals {span} would go, and the rows up to leaf {rows:,}.")
        else:
            _cut(database, cut, file)


def _cut(database: Database, cut: pruning.Cut, file: Path) -> None:
    try:
        digest, report = archive.write(database, file, cut.first_id, cut.last_id)
    except BadArchive as error:
        raise click.ClickException(str(error)) from None
    if not report.intact:
        file.unlink()
        raise click.ClickException(
            f"Nothing was cut: {report.findings[0].detail}. See `manage.py audit verify`."
        )
    rows = _carried_out(database, cut, file, {"archive": file.name, "archive_sha256": digest})
    click.echo(f"{counted(rows, 'row')} up to seal {cut.last_id}: now in {file}, SHA-256 {digest}.")


def _carried_out(database: Database, cut: pruning.Cut, file: Path, kept: Mapping[str, Any]) -> int:
    """Cut step by step, and return how many rows went.

    Where none did, delete the archive, which would stand in the way of the next try. Where that is
    not certain, keep it: it may be all that holds them.
    """
    rows = 0
    try:
        for gone in _steps(database, cut, kept):
            rows += gone
    except Exception as error:
        certain = isinstance(error, Moved) or not isinstance(error, Unavailable)
        if certain and not rows:
            file.unlink(missing_ok=True)
        else:
            shown = "`manage.py audit list --action audit.pruned`"
            click.echo(f"{file} stays: what {shown} shows as cut is there alone.", err=True)
        raise
    return rows


def _steps(database: Database, cut: pruning.Cut, kept: Mapping[str, Any]) -> Iterator[int]:
    """Yield, after each step, how many rows it cut."""
    context, begun = os_user(), cut.first_id
    while cut.first_id <= cut.last_id:
        if cut.first_id > begun:
            time.sleep(_TURN_OF_OTHERS_SECONDS)
        with database.snapshot() as connection:
            step = pruning.first_step(connection, cut)
        now = database.clock()
        with _only_the_owner_may():
            gone = database.write(
                partial(pruning.carry_out, now=now, context=context, cut=step, archive=kept)
            )
        if gone is None:
            raise click.ClickException("Somebody else prunes the trail, too.")
        yield gone
        cut = pruning.Cut(step.kept["id"], cut.kept)


@contextmanager
def _only_the_owner_may() -> Iterator[None]:
    try:
        yield
    except Denied:
        raise click.ClickException(
            "Only the owner of the tables may cut the trail: run `audit prune` with the "
            "DATABASE_URL of the role that runs `db upgrade` (docs/postgresql.md, Roles)."
        ) from None
