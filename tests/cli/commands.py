"""Ways to run a command: in this process, or as a person would, and a database to run it on."""

import json
import logging
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result
from sqlalchemy import Connection

from attendance.audit.sealer import Sealer
from attendance.cli import main
from attendance.config import Settings
from attendance.db import Database, SqliteDatabase, format_utc, utc_now
from attendance.outbox.queue import Draft, enqueue

ROOT = Path(__file__).parent.parent.parent
TOKEN = "246813579:AAF-tokenOfNoBotThatThereIs_012345"
SETTINGS = tuple(name.upper() for name in Settings.__dataclass_fields__)


@dataclass
class Desk:
    """An admin's place: a working directory, an environment, and the commands."""

    directory: Path
    environ: dict[str, str]

    @property
    def path(self) -> Path:
        return self.directory / "attendance.db"

    def run(self, *arguments: str, **environ: str) -> Result:
        """The command's result: exit code, output (standard output) and stderr."""
        unset: dict[str, str | None] = dict.fromkeys(SETTINGS)
        given = {**unset, **self.environ, **environ}
        with _logging_kept():
            return CliRunner().invoke(main, arguments, env=given, prog_name="manage.py")

    def done(self, *arguments: str, **environ: str) -> str:
        """The output of a command that must succeed."""
        result = self.run(*arguments, **environ)
        assert result.exit_code == 0, result.output + result.stderr
        return result.stdout

    def json(self, *arguments: str) -> Any:
        return json.loads(self.done(*arguments, "--json"))

    def process(self, *arguments: str, **environ: str) -> "subprocess.CompletedProcess[str]":
        """`python manage.py …`, in the desk's directory."""
        return subprocess.run(
            self.command(*arguments),
            cwd=self.directory,
            env=self.environment(**environ),
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )

    @contextmanager
    def running(self, *arguments: str, **environ: str) -> Iterator["subprocess.Popen[str]"]:
        """The same, started, and stopped at the end if it still runs."""
        process = subprocess.Popen(
            self.command(*arguments),
            cwd=self.directory,
            env=self.environment(PYTHONUNBUFFERED="1", **environ),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        with process:
            try:
                yield process
            finally:
                if process.poll() is None:
                    process.send_signal(signal.SIGKILL)

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, str(ROOT / "manage.py"), *arguments]

    def environment(self, **environ: str) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if name not in SETTINGS}
        return {**kept, **self.environ, **environ}

    @contextmanager
    def database(self) -> Iterator[Database]:
        with closing(SqliteDatabase(self.path)) as database:
            yield database

    def rows(self, query: str) -> list[dict[str, Any]]:
        with self.database() as database, database.snapshot() as connection:
            return [dict(row) for row in connection.exec_driver_sql(query).mappings()]

    def write(self, work: Callable[[Connection], Any]) -> Any:
        with self.database() as database:
            return database.write(work)

    def execute(self, statement: str, *values: object) -> None:
        def work(connection: Connection) -> None:
            connection.exec_driver_sql(statement, values)

        self.write(work)

    def message(self, status: str = "pending", chat: str = "1000", error: str = "") -> int:
        """Put a message of this status into the outbox; its id."""
        now = utc_now()
        message_id: int = self.write(lambda c: enqueue(c, now, Draft(chat, "a text", "test")))
        if status != "pending":
            ended = format_utc(now)
            self.execute(
                "UPDATE outbox SET status=?, settled_at=?, attempts=3, sent_at=?, last_error=? "
                "WHERE id=?",
                *(status, ended, ended if status == "sent" else None, error, message_id),
            )
        return message_id

    def seal(self) -> None:
        with self.database() as database:
            Sealer(database, database.clock, None).finish()

    def statuses(self) -> dict[int, str]:
        return {row["id"]: row["status"] for row in self.rows("SELECT id, status FROM outbox")}

    def audited(self, action: str) -> list[dict[str, Any]]:
        return self.rows(f"SELECT * FROM audit WHERE action = '{action}' ORDER BY id")  # noqa: S608


@contextmanager
def _logging_kept() -> Iterator[None]:
    """`dispatch` configures logging for its whole process, which here is that of all tests."""
    root = logging.getLogger()
    names = ("", "urllib3", "alembic", "gunicorn.error", "gunicorn.access")
    levels = {name: logging.getLogger(name).level for name in names}
    handlers = root.handlers[:]
    try:
        yield
    finally:
        root.handlers[:] = handlers
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)


def make_desk(directory: Path, original: Path | None = None) -> Desk:
    """With a copy of the database `original`, which nobody has open; or with none."""
    settings = {
        "DATABASE_URL": f"sqlite:///{directory}/attendance.db",
        "TRUSTED_PROXIES": "unix",
        "BIND": f"unix:{directory}/http",  # whoever listens at the usual port
    }
    if original is not None:
        shutil.copy(original, directory / "attendance.db")
    return Desk(directory, settings)
