"""`manage.py audit verify`."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from sqlalchemy.exc import SQLAlchemyError

from attendance.audit import archive
from attendance.audit.archive import BadArchive
from attendance.audit.verify import CannotVerify
from attendance.cli.audit import integrity
from attendance.cli.context import load_settings
from attendance.cli.options import examples, json_option
from attendance.cli.output import print_json
from attendance.config import ConfigError
from attendance.config.secrets import redact
from attendance.db import DatabaseError


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
        anchors = [one for path in anchor_files for one in integrity.checkpoints(path)]
        if archive_file is None:
            report = integrity.verified(since, key, anchors)
        else:
            report = archive.verify(archive_file, key, anchors)
    if as_json:
        print_json(report.as_dict())
    else:
        for line in integrity.lines(report, "trail" if archive_file is None else "archive"):
            click.echo(line)
    if not report.intact:
        raise click.exceptions.Exit(1)


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
