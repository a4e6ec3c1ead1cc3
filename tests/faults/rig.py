"""A service under load with a fault, and the verdict on what came of it."""

import os
import secrets
import shutil
import sqlite3
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path

from checker import Verdict, check
from clients import Load
from history import Ledger, arrivals, read_database
from service import NO_LIMITS, Service
from sqlalchemy import Connection

from attendance import api_keys
from attendance.audit import service_context
from attendance.audit.verify import Scope, verify
from attendance.db import Database, SqliteDatabase, utc_now
from attendance.notifications import routing
from attendance.sandbox import Sandbox

HERE = Path(__file__).parent
TRIES = 3
"""How many services a control may take, if it is chance whether the fault strikes."""
ROUNDS = int(os.environ.get("ATTENDANCE_FAULT_ROUNDS", "1"))
"""How often each fault strikes; more of them make a soak."""

CHATS = {"north": "2000", "south": "3000", "east": "4000", "west": "5000"}
"""The chat that each site's messages go to."""

QUICK = {
    **NO_LIMITS,
    "TELEGRAM_TIMEOUT": "0.4,0.5",
    "OUTBOX_LEASE_SECONDS": "2.5",
    "OUTBOX_POLL_SECONDS": "0.2",
    "WEB_CONCURRENCY": "2",
}
_DRAINED_WITHIN_SECONDS = 90.0  # the longest backoff is a minute
RECORDED_WITHIN_SECONDS = 2.0
"""What was acknowledged and is not recorded after so long is lost, and not merely late: the
handbook's thread takes a third of a second."""

_UNSETTLED = "SELECT count(*) FROM outbox WHERE status IN ('pending', 'sending')"
_FORGET_DOUBTS = """
CREATE TRIGGER forget_doubts AFTER INSERT ON outbox_attempt
WHEN NEW.outcome IN ('uncertain', 'late')
BEGIN DELETE FROM outbox_attempt WHERE id = NEW.id; END
"""


class Seed:
    """A database with a key and a chat for each site, to begin with."""

    def __init__(self, migrated: Path, folder: Path) -> None:
        self._database = Path(shutil.copy(migrated, folder))
        with closing(SqliteDatabase(self._database)) as database:
            self.key = database.write(lambda connection: set_up(connection, CHATS))

    def copy_to(self, folder: Path) -> None:
        assert not self._database.with_name("attendance.db-wal").exists()
        with Path(shutil.copy(self._database, folder)).open("rb") as copy:
            os.fsync(copy.fileno())


def set_up(connection: Connection, chats: Mapping[str, str]) -> str:
    """A route for each site to its chat; the key of a frontend, which is made with them."""
    now = utc_now()
    for site, chat in chats.items():
        routing.add(connection, now, chat, None, [routing.Conditions(site=site)])
    context, token = service_context("test"), partial(secrets.token_hex, 32)
    return api_keys.create(
        connection, now, context, name="front", role="frontend", random_token=token
    )


class Rig:
    """One service on a database of its own, with Telegram played by `sandbox`.

    `inside` names what FAULTS_INSIDE is to do in the service's processes; files for kill points are
    laid in `points`. Further settings are the service's.
    """

    def __init__(
        self, folder: Path, seed: Seed, sandbox: Sandbox, *inside: str, **settings: str
    ) -> None:
        self.points = folder / "points"
        self.points.mkdir()
        seed.copy_to(folder)
        self.sandbox, self.ledger, self.key = sandbox, Ledger(), seed.key
        self.settings = {
            **QUICK,
            "TELEGRAM_BOT_TOKEN": sandbox.token,
            "TELEGRAM_CHAT_ID": "1000",
            "TELEGRAM_API_BASE": sandbox.url,
            "PYTHONPATH": str(HERE / "inside"),
            "FAULTS_INSIDE": " ".join(inside),
            "FAULTS_FOLDER": str(self.points),
            **settings,
        }
        self.service = Service(folder, command=("serve",), **self.settings)

    def load(self, *more_urls: str, clients: int = 4, patience_seconds: float = 20.0) -> Load:
        """Clients that are at work while the result is entered."""
        return Load(
            (self.service.url, *more_urls),
            self.key,
            self.ledger,
            sites=tuple(CHATS),
            clients=clients,
            patience_seconds=patience_seconds,
        )

    def wait_for_acknowledged(self, more: int) -> None:
        """Until that many more requests than now were acknowledged."""
        wanted = self.ledger.acknowledged + more
        until(lambda: self.ledger.acknowledged >= wanted, f"{wanted} acknowledgements")

    def kill_at(self, point: str) -> None:
        """Let the next process that passes `point` end there, and wait until one has."""
        laid = self.points / point
        laid.touch()
        until(lambda: not laid.exists(), f"a process passes {point}")

    def forget_doubts(self) -> None:
        """Take away what explains a message that is shown twice."""
        with closing(sqlite3.connect(self.service.database, timeout=10)) as connection:
            connection.execute(_FORGET_DOUBTS)

    def verdict(
        self,
        drained_within_seconds: float = _DRAINED_WITHIN_SECONDS,
        recorded_within_seconds: float = RECORDED_WITHIN_SECONDS,
    ) -> Verdict:
        """What came of it, once all is recorded and nothing waits any more, or the time is over."""
        wait(lambda: self.ledger.told <= self._recorded(), recorded_within_seconds)
        wait(lambda: self.service.rows(_UNSETTLED) == [{"count(*)": 0}], drained_within_seconds)
        stored = read_database(self.service.database)
        if stored.integrity == "ok":
            url = f"sqlite:///{self.service.database}"
            stored = replace(stored, integrity=integrity_of_trail(url))
        verdict = check(self.ledger.attempts, arrivals(self.sandbox.messages()), stored)
        print(verdict)
        return verdict

    def _recorded(self) -> set[str]:
        return {row["person_id"] for row in self.service.rows("SELECT person_id FROM attendance")}


def integrity_of_trail(url: str) -> str:
    """What `audit verify` finds, or "ok"."""
    with closing(Database.at(url)) as database:
        report = verify(database, Scope())
    return "ok" if report.intact else "; ".join(found.detail for found in report.findings)


def wait(holds: Callable[[], bool], seconds: float) -> None:
    """Until `holds()`, or the time is over."""
    deadline = time.monotonic() + seconds
    while not holds() and time.monotonic() < deadline:
        time.sleep(0.05)


def until(
    holds: Callable[[], bool],
    what: str,
    timeout_seconds: float = 30.0,
    look_every_seconds: float = 0.005,
) -> None:
    """Wait until `holds()`."""
    deadline = time.monotonic() + timeout_seconds
    while not holds():
        assert time.monotonic() < deadline, f"not within {timeout_seconds} s: {what}"
        time.sleep(look_every_seconds)
