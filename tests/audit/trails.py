"""Trails to seal, verify and spoil."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from attendance.audit import Actor, Context, append
from attendance.audit.sealer import Sealer
from attendance.config.secrets import Secret
from attendance.db import Database, SqliteDatabase

NINE = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
KEY = Secret("a key that is kept elsewhere")
ADA = Context(Actor("key", "1", "door"), "req-1", "192.0.2.7", "kiosk/1.0")


class Trail:
    """The trail of one database, at the time that it is told."""

    def __init__(self, database: Database, key: Secret | None = KEY) -> None:
        self.database = database
        self.now = NINE
        self.sealer = Sealer(database, lambda: self.now, key)

    @property
    def path(self) -> Path:
        """The file, where the database is one."""
        assert isinstance(self.database, SqliteDatabase)
        return self.database.path

    def record(self, count: int = 1, action: str = "test.happened", **more: Any) -> None:
        now = self.now

        def work(connection: Connection) -> None:
            for number in range(count):
                append(
                    connection,
                    now,
                    ADA,
                    action,
                    target=("thing", number),
                    reason='é\n"quoted" \\ \x01',
                    before={"n": number},
                    after={"n": number + 1},
                    **more,
                )

        self.database.write(work)

    def seal(self) -> None:
        self.sealer.finish()

    def grow(self, *batches: int) -> "Trail":
        """So many rows for each seal, ten minutes apart."""
        for count in batches:
            self.record(count)
            self.seal()
            self.now += timedelta(minutes=10)
        return self

    def rows(self, query: str, *values: object) -> list[dict[str, Any]]:
        with self.database.snapshot() as connection:
            return [dict(row) for row in connection.exec_driver_sql(query, values).mappings()]

    def value(self, query: str, *values: object) -> Any:
        [row] = self.rows(query, *values)
        [value] = row.values()
        return value


@contextmanager
def tampering(path: Path) -> Iterator[sqlite3.Connection]:
    """A stranger with write access, who knows to remove the triggers and to put them back."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA ignore_check_constraints=ON")
        connection.execute("BEGIN IMMEDIATE")
        triggers = connection.execute(
            "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND name LIKE 'audit%'"
        ).fetchall()
        for name, _ in triggers:
            connection.execute(f"DROP TRIGGER {name}")
        yield connection
        for _, sql in triggers:
            connection.execute(sql)
        connection.execute("COMMIT")
