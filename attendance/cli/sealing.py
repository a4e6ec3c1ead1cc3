"""`manage.py audit verify`, `anchor`, `prune`: whether the trail is what was sealed."""

import socket
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import click
from sqlalchemy.exc import SQLAlchemyError

from attendance.audit import archive, pruning, seals
from attendance.audit.archive import BadArchive
from attendance.audit.checkpoint import Checkpoint, read
from attendance.audit.report import Report
from attendance.audit.verify import CannotVerify, Scope, rows_to_verify
from attendance.audit.verify import verify as verify_trail
from attendance.cli.audited import audited
from attendance.cli.common import (
    When,
    examples,
    json_option,
    load_settings,
    opened_database,
    os_user,
    print_json,
)
from attendance.config import ConfigError
from attendance.config.secrets import Secret, redact
from attendance.db import Database, DatabaseError, Denied, Moved, Unavailable

_TURN_OF_OTHERS_SECONDS = 0.5


@examples(
    "audit verify",
    "audit verify --anchor /mnt/witness/head.txt",
    "audit verify --since 1200 --json",
)
@click.command()
@click.option(
    "--anchor",
    "anchor_files",
    multiple=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="Checkpoints that were kept elsewhere: a file of `audit anchor`, or a chat's text.",
)
@click.option(
    "--archive",
    "archive_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Verify what `audit prune` has written, instead of the trail.",
)
@click.option("--since", type=click.IntRange(1), metavar="SEAL", help="Begin with this seal.")
@json_option
def verify(
    anchor_files: tuple[Path, ...], archive_file: Path | None, since: int | None, as_json: bool
) -> None:
    """Recompute all hashes of the trail; exit 0 intact, 1 tampered with, 2 could not run.

    Without an anchor, nothing can show that the end of the trail was cut off, or that all of it
    was made anew. AUDIT_HMAC_KEY is needed to check the seals' signatures.
    """
    with _exit_2_where_it_cannot_run():
        key = load_settings().audit_hmac_key
        anchors = [one for path in anchor_files for one in _checkpoints(path)]
        if archive_file is None:
            report = _verified(since, key, anchors)
        else:
            report = archive.verify(archive_file, key, anchors)
    if as_json:
        print_json(report.as_dict())
    else:
        for line in _lines(report, "trail" if archive_file is None else "archive"):
            click.echo(line)
    if not report.intact:
        raise click.exceptions.Exit(1)


@examples("audit anchor", "audit anchor /mnt/witness/head.txt")
@click.command()
@click.argument("file", required=False, type=click.Path(path_type=Path, dir_okay=False))
def anchor(file: Path | None) -> None:
    """Print the newest seal as a checkpoint, or add it to FILE: keep it where no admin can write.

    `audit verify --anchor FILE` then finds whether the trail still leads to it.
    """
    with opened_database() as database, database.snapshot() as connection:
        newest = seals.head(connection)
    if newest is None:
        raise click.ClickException("Nothing is sealed yet: a running service seals within seconds.")
    checkpoint = Checkpoint.of(newest, socket.gethostname())
    if file is None:
        click.echo(checkpoint, nl=False)
        return
    try:
        with file.open("a", encoding="utf-8") as kept:
            kept.write(f"{checkpoint}\n")
    except OSError as error:
        raise click.ClickException(f"{file} cannot be written: {error.strerror}.") from None
    click.echo(f"{_many(checkpoint.size, 'row')}, up to seal {newest['id']}: anchored in {file}.")


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
    click.echo(f"{_many(rows, 'row')} up to seal {cut.last_id}: now in {file}, SHA-256 {digest}.")


def _carried_out(database: Database, cut: pruning.Cut, file: Path, kept: Mapping[str, Any]) -> int:
    """How many rows went. Where none did, the archive goes again: it would stand in the way of the
    next try. Where that is not certain, it may be all that holds them."""
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
    """Cut step by step; of each, how many rows went."""
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


@contextmanager
def _exit_2_where_it_cannot_run() -> Iterator[None]:
    try:
        yield
    except (ConfigError, DatabaseError, BadArchive, CannotVerify) as error:
        raise _CouldNotRun(redact(str(error))) from None
    except SQLAlchemyError as error:
        reason = getattr(error, "orig", None) or error
        raise _CouldNotRun(redact(f"The database cannot be read: {reason}.")) from None


class _CouldNotRun(click.ClickException):
    exit_code = 2


def _checkpoints(path: Path) -> Sequence[Checkpoint]:
    try:
        return read(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CannotVerify(f"{path} cannot be read: {error.strerror}.") from None
    except ValueError as error:
        raise CannotVerify(f"{path} {error}") from None


def _verified(since: int | None, key: Secret | None, anchors: Sequence[Checkpoint]) -> Report:
    with opened_database() as database:
        scope = Scope(since, key, anchors, database.clock())
        length, hidden = rows_to_verify(database), not sys.stderr.isatty()
        with click.progressbar(
            length=length, label="Verifying", file=sys.stderr, hidden=hidden
        ) as bar:
            return verify_trail(database, scope, bar.update)


def _lines(report: Report, what: str) -> Iterator[str]:
    yield f"{_many(report.rows, 'row')} under {_many(report.seals, 'seal')} recomputed."
    if report.pruned is not None:
        cut = report.pruned
        yield (
            f"Seals before {cut['first_seal']} were pruned {cut['at']} by {cut['by']}: "
            f"{cut['archive']}, SHA-256 {cut['archive_sha256']}."
        )
    if report.macs_unchecked:
        yield f"Signatures of a key that is not AUDIT_HMAC_KEY here: {report.macs_unchecked:,}."
    yield from _about_anchors(report)
    if report.unsealed:
        yield f"Rows not sealed yet: {report.unsealed:,}."
    if report.overdue:
        yield f"Of these over a minute old: {report.overdue:,}. Does a dispatcher run?"
    for finding in report.findings:
        yield f"{finding.name}: {finding.detail}"
    unsaid = report.counts.total() - len(report.findings)
    if unsaid:
        yield f"… and {unsaid:,} more."
    names = ", ".join(sorted(report.counts))
    yield f"The {what} is intact." if report.intact else f"The {what} was tampered with: {names}."


def _about_anchors(report: Report) -> Iterator[str]:
    before, after = report.anchors_uncovered, report.anchors_beyond
    if report.anchors_matched or before or after:
        yield f"Anchors that fit: {report.anchors_matched:,}; that lie before this: {before:,}."
    if after:
        yield (
            f"Not compared, as they lie after this archive: {after:,}. `audit verify` without "
            "--archive compares them with the trail."
        )


def _many(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
