"""Archives: seals and all under them as lines of JSON, cut from the trail and still verifiable."""

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from attendance.audit.canonical import canonical, leaf_hash
from attendance.audit.checkpoint import Checkpoint
from attendance.audit.reader import read_rows, read_seals
from attendance.audit.report import Report
from attendance.audit.verifier import Leaf, Verifier
from attendance.config.secrets import Secret
from attendance.db import Database, sync_directory


class BadArchive(Exception):
    """The file is no archive of ours, or cannot be written or read; the message says why."""


def write(database: Database, path: Path, first_id: int, last_id: int) -> tuple[str, Report]:
    """Write these seals to `path`, 0600, on disk when this returns. Return the file's SHA-256, and
    what a verification of it finds. If writing fails, no file is left.

    Raises:
        BadArchive: `path` exists or cannot be written.
    """
    digest, walk = hashlib.sha256(), Verifier(Report(), None, ())
    try:
        with _made(path) as file:
            for seal in read_seals(database, first_id, last_id):
                line = _line(database, seal)
                _check(walk, line)
                written = canonical(line) + b"\n"
                digest.update(written)
                file.write(written)
            file.flush()
            os.fsync(file.fileno())
            sync_directory(path.parent)
    except OSError as error:
        raise BadArchive(f"{path} cannot be written: {error.strerror}.") from None
    return digest.hexdigest(), walk.report


@contextmanager
def _made(path: Path) -> Iterator[BinaryIO]:
    """Make a new file for us alone, and remove it if writing to it fails."""
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    try:
        with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor
            yield file
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def verify(path: Path, key: Secret | None, anchors: Sequence[Checkpoint] = ()) -> Report:
    """Recompute every hash in the file. Of the key only what it signed is checked, and of the
    anchors those between its first seal and its last; the others are counted.

    Raises:
        BadArchive: the file cannot be read, or is no archive.
    """
    walk = Verifier(Report(), key, anchors)
    try:
        with path.open(encoding="utf-8") as file:
            for line in map(json.loads, file):
                _check(walk, line)
    except OSError as error:
        raise BadArchive(f"{path} cannot be read: {error.strerror}.") from None
    except (KeyError, TypeError, ValueError):
        raise BadArchive(f"{path} is no archive of `audit prune`.") from None
    if walk.report.head is None:
        raise BadArchive(f"{path} is empty.")
    walk.leave()
    return walk.report


def _check(walk: Verifier, line: dict[str, Any]) -> None:
    seal = line["seal"]
    if walk.report.head is None:
        walk.begin_with(seal)
    walk.report.head = seal
    walk.check(seal, [_leaf(**leaf) for leaf in line["leaves"]])


def _leaf(seq: int, audit_id: int, hash: str, row: dict[str, Any] | None) -> Leaf:  # noqa: A002 - a column
    return Leaf(seq, audit_id, hash, None if row is None else leaf_hash(row).hex())


def _line(database: Database, seal: dict[str, Any]) -> dict[str, Any]:
    return {"seal": seal, "leaves": list(_leaves(database, seal))}


def _leaves(database: Database, seal: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for seq, audit_id, digest, row in read_rows(database, seal["first_seq"], seal["last_seq"]):
        yield {"seq": seq, "audit_id": audit_id, "hash": digest, "row": row}
