"""Several hosts on one PostgreSQL under load with a fault, and the verdict on what came of it."""

import itertools
import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Self

import psycopg
from checker import Verdict, check
from clients import Load
from history import Ledger, arrivals, read_server
from postgres_server import PostgresServer
from rig import CHATS, HERE, QUICK, until
from service import Service

from attendance.telegram.sandbox import Sandbox

DURABLE = {
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "max_connections": "200",
    "track_commit_timestamp": "on",
    # What no commit waits for is written late: where one should have waited, it is lost for sure.
    "wal_writer_delay": "10s",
}
"""A server as one has it, and not made to be thrown away."""

_DRAINED_WITHIN_SECONDS = 60.0
_UNSETTLED = "SELECT count(*) FROM outbox WHERE status IN ('pending', 'sending')"
_FORGET_DOUBTS = (
    (
        "CREATE FUNCTION forget_doubts() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "DELETE FROM outbox_attempt WHERE id = NEW.id; RETURN NULL; END $$"
    ),
    (
        "CREATE TRIGGER forget_doubts AFTER INSERT ON outbox_attempt FOR EACH ROW "
        "WHEN (NEW.outcome IN ('uncertain', 'late')) EXECUTE FUNCTION forget_doubts()"
    ),
)
_IN_TRANSACTIONS = """SELECT count(*) FROM pg_stat_activity
    WHERE application_name = '{name}' AND state LIKE 'idle in transaction%'"""
_TERMINATE = """SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE application_name LIKE 'host-%' AND datname = current_database()"""


class SharedSeed:
    """A database on `server` with a key and a chat for each site, to begin with."""

    def __init__(self, server: PostgresServer, folder: Path) -> None:
        self.server, self._numbers = server, itertools.count(1)
        server.execute("CREATE DATABASE seed")
        service = Service(folder, DATABASE_URL=server.url("seed"))
        routes = [("chats", "add", chat, "--site", site) for site, chat in CHATS.items()]
        for command in (("db", "upgrade"), *routes):
            made = service.manage(*command)
            assert made.returncode == 0, made.stderr
        self.key = service.make_key("frontend")

    def copy(self) -> str:
        """The name of a new database, like it."""
        name = f"hosts_{next(self._numbers)}"
        self.server.execute(f"CREATE DATABASE {name} TEMPLATE seed")
        return name


class Host(Service):
    """A machine of its own, as far as the others can tell: `name` is what the server knows."""

    def __init__(self, name: str, folder: Path, command: str, **settings: str) -> None:
        folder.mkdir()
        settings["DATABASE_URL"] += f"&application_name={name}"
        super().__init__(folder, command=(command,), **settings)
        self.name, self.serves = name, command == "serve"

    def signal(self, number: signal.Signals) -> None:
        """To all of its processes, at once."""
        os.killpg(self.process.pid, number)

    def pids(self) -> list[int]:
        """The processes that deliver."""
        return self.worker_pids() if self.serves else [self.process.pid]


class Hosts:
    """Two that serve and one that only delivers, on one database, with Telegram played by
    `sandbox`. `inside` and the settings are as for `Rig`."""

    def __init__(
        self, folder: Path, seed: SharedSeed, sandbox: Sandbox, *inside: str, **settings: str
    ) -> None:
        self.server, self.database = seed.server, seed.copy()
        self.sandbox, self.ledger, self._key = sandbox, Ledger(), seed.key
        common = {
            **QUICK,
            "DATABASE_URL": seed.server.url(self.database),
            "TELEGRAM_BOT_TOKEN": sandbox.token,
            "TELEGRAM_CHAT_ID": "1000",
            "TELEGRAM_API_BASE": sandbox.url,
            "PYTHONPATH": str(HERE / "inside"),
            "FAULTS_INSIDE": " ".join(inside),
            **settings,
        }
        self.all = [
            Host(f"host-{number}", folder / f"host-{number}", command, **common)
            for number, command in enumerate(("serve", "serve", "dispatch"), 1)
        ]

    def __enter__(self) -> Self:
        with ThreadPoolExecutor(len(self.all)) as pool:
            list(pool.map(Host.start, self.all))
        beats = "SELECT count(DISTINCT name) FROM dispatcher"
        workers = sum(len(host.pids()) for host in self.all)
        until(lambda: self.rows(beats) == [(workers,)], "all dispatchers are there")
        return self

    def __exit__(self, *_: object) -> None:
        for host in self.all:
            host.kill()

    @contextmanager
    def load(self, clients: int = 4) -> Iterator[None]:
        """As many clients to each host that serves, who go to the other where one fails."""
        urls = [host.url for host in self.all if host.serves]
        with ExitStack() as stack:
            for shift in range(len(urls)):
                turned = urls[shift:] + urls[:shift]
                load = Load(turned, self._key, self.ledger, sites=tuple(CHATS), clients=clients)
                stack.enter_context(load)
            yield

    def wait_for_acknowledged(self, more: int) -> None:
        """Until that many more requests than now were acknowledged."""
        wanted = self.ledger.acknowledged + more
        until(lambda: self.ledger.acknowledged >= wanted, f"{wanted} acknowledgements")

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """What an auditor reads, once the server answers him."""
        deadline = time.monotonic() + 30.0
        while True:
            try:
                return self.server.execute(query, self.database)
            except psycopg.OperationalError:
                assert time.monotonic() < deadline, "the server is away"
                time.sleep(0.05)

    def cut_connections(self) -> None:
        """All that the hosts have to the server, whatever is under way on them."""
        self.rows(_TERMINATE)

    def stop(self, host: Host) -> None:
        """All of it stands still, and no transaction with it: the server would end that after ten
        seconds, and until then it would hold the others up."""
        asked = _IN_TRANSACTIONS.format(name=host.name)
        while True:
            host.signal(signal.SIGSTOP)
            time.sleep(0.02)
            if self.rows(asked) == [(0,)]:
                return
            host.signal(signal.SIGCONT)
            time.sleep(0.01)

    def forget_doubts(self) -> None:
        """Take away what explains a message that is shown twice."""
        for statement in _FORGET_DOUBTS:
            self.rows(statement)

    def verdict(self, drained_within_seconds: float = _DRAINED_WITHIN_SECONDS) -> Verdict:
        """What came of it, once nothing waits any more or the time is over."""
        deadline = time.monotonic() + drained_within_seconds
        while self.rows(_UNSETTLED) != [(0,)] and time.monotonic() < deadline:
            time.sleep(0.05)
        verified = self.all[0].manage("audit", "verify")
        said = "ok" if verified.returncode == 0 else verified.stdout + verified.stderr
        stored = read_server(self.rows, said)
        verdict = check(self.ledger.attempts, arrivals(self.sandbox.messages()), stored)
        print(verdict)
        return verdict
