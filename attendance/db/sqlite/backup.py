"""Copy and check a whole database while it is in use."""

import os
import sqlite3
from pathlib import Path

from sqlalchemy import Connection

from attendance.db.disk import sync_directory
from attendance.db.errors import DatabaseError
from attendance.db.sqlite.engines import driver_connection


def write(connection: Connection, target: Path) -> int:
    """Write a consistent copy to `target`, 0600, complete or not at all; return its size in bytes.

    In one step: in several it would begin again at each write of another process.

    Raises:
        DatabaseError: `target` exists, cannot be written, or the copy is not sound.
    """
    if target.exists():
        raise DatabaseError(f"{target} exists: name a new file, or move that one away.")
    part = target.with_name(target.name + ".part")
    try:
        os.close(os.open(part, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600))
        _copy(connection, part)
        part.rename(target)
        sync_directory(target.parent)
    except (OSError, sqlite3.Error) as error:
        raise DatabaseError(f"The backup to {target} failed: {error}.") from None
    finally:
        part.unlink(missing_ok=True)
    return target.stat().st_size


def integrity_errors(connection: Connection) -> list[str]:
    """Return what SQLite finds wrong with the file and its references; empty if all is well."""
    checked = connection.exec_driver_sql("PRAGMA integrity_check").scalars().all()
    broken = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
    found = [str(line) for line in checked if line != "ok"]
    return found + [f"{row[0]} row {row[1]} refers to a {row[2]} that is gone" for row in broken]


def _copy(connection: Connection, part: Path) -> None:
    copy = sqlite3.connect(part)
    try:
        driver_connection(connection).backup(copy)
        # A copy that is one plain file: a WAL beside it would have to be carried along.
        copy.execute("PRAGMA journal_mode=DELETE").fetchall()
        result = copy.execute("PRAGMA integrity_check").fetchone()[0]
    finally:
        copy.close()
    if result != "ok":
        raise DatabaseError(f"The copy is not sound, and was removed: {result}.")
