"""Whether the trail is what was sealed: recomputed, compared with anchors, and told in words."""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from attendance.audit.checkpoint import Checkpoint, read
from attendance.audit.report import Report
from attendance.audit.verify import CannotVerify, Scope, rows_to_verify, verify
from attendance.cli.context import opened_database
from attendance.cli.output import counted, steering
from attendance.config.secrets import Secret


def checkpoints(path: Path) -> Sequence[Checkpoint]:
    """Read the anchors in a file. Raises CannotVerify where there are none."""
    try:
        return read(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CannotVerify(f"{path} cannot be read: {error.strerror}.") from None
    except ValueError as error:
        raise CannotVerify(f"{path} {error}") from None


def verified(since: int | None, key: Secret | None, anchors: Sequence[Checkpoint]) -> Report:
    """Recompute the trail, with a bar on a terminal that shows how far it is."""
    with opened_database() as database:
        scope = Scope(since, key, anchors, database.clock())
        length, hidden = rows_to_verify(database), not sys.stderr.isatty()
        with click.progressbar(
            length=length, label="Verifying", file=steering(sys.stderr), hidden=hidden
        ) as bar:
            return verify(database, scope, bar.update)


def lines(report: Report, what: str) -> Iterator[str]:
    """Yield the report line by line; `what` was verified, the trail or an archive."""
    yield f"{counted(report.rows, 'row')} under {counted(report.seals, 'seal')} recomputed."
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
