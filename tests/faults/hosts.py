"""Several hosts on one PostgreSQL under load with a fault, and the verdict on what came of it."""

import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Self

import psycopg
from checker import Verdict, check
from clients import Load, record_one
from history import Attempt, Ledger, arrivals, read_server
from rig import CHATS, HERE, QUICK, RECORDED_WITHIN_SECONDS, integrity_of_trail, until, wait
from service import Service
from shared_seed import SharedSeed

from attendance.sandbox import Sandbox

ALL = ("serve", "serve", "dispatch")
"""What each host runs."""

PATIENT = {"TELEGRAM_TIMEOUT": "1,5", "OUTBOX_LEASE_SECONDS": "10"}
"""Settings with leases so long that none ends, however busy the machine."""

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
_IN_NO_TRANSACTION = """SELECT count(*) = 0 FROM pg_stat_activity
    WHERE application_name = '{name}' AND state LIKE 'idle in transaction%'"""
_TERMINATE = """SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE application_name LIKE 'host-%' AND datname = current_database()"""


class Host(Service):
    """A machine of its own, as far as the others can tell: `name` is what the server knows."""

    def __init__(self, name: str, folder: Path, command: str, **settings: str) -> None:
        folder.mkdir()
        settings["DATABASE_URL"] += f"&application_name={name}"
        super().__init__(folder, command=(command,), **settings)
        self.name, self.serves = name, command == "serve"

    @property
    def folder(self) -> Path:
        """Its working directory."""
        return self.log.parent

    def signal(self, number: signal.Signals) -> None:
        """To all of its processes, at once."""
        os.killpg(self.process.pid, number)

    def pids(self) -> list[int]:
        """The processes that deliver."""
        if self.serves:
            return self.worker_pids()
        return [] if self.has_ended else [self.process.pid]

    @property
    def has_ended(self) -> bool:
        return self.process.poll() is not None


class Hosts:
    """Two that serve and one that only delivers, on one database, with Telegram played by
    `sandbox`; or what `commands` say, for a control that needs fewer. `inside` and the settings
    are as for `Rig`."""

    def __init__(
        self,
        folder: Path,
        seed: SharedSeed,
        sandbox: Sandbox,
        *inside: str,
        commands: Sequence[str] = ALL,
        **settings: str,
    ) -> None:
        self.server, self.database = seed.server, seed.copy()
        self.sandbox, self.ledger, self._key = sandbox, Ledger(), seed.key
        self._points = folder / "points"
        self._points.mkdir()
        common = {
            **QUICK,
            "WEB_CONCURRENCY": "1",
            "DATABASE_URL": seed.server.url(self.database),
            "TELEGRAM_BOT_TOKEN": sandbox.token,
            "TELEGRAM_CHAT_ID": "1000",
            "TELEGRAM_API_BASE": sandbox.url,
            "PYTHONPATH": str(HERE / "inside"),
            "FAULTS_INSIDE": " ".join(inside),
            "FAULTS_FOLDER": str(self._points),
            **settings,
        }
        self.all = [
            Host(f"host-{number}", folder / f"host-{number}", command, **common)
            for number, command in enumerate(commands, 1)
        ]

    def __enter__(self) -> Self:
        with ThreadPoolExecutor(len(self.all)) as pool:
            list(pool.map(Host.start, self.all))
        beats = "SELECT count(DISTINCT name) FROM dispatcher"
        self.until(lambda: self.rows(beats) == [(len(self.pids()),)], "all dispatchers are there")
        return self

    def __exit__(self, *_: object) -> None:
        for host in self.all:
            host.kill()

    @contextmanager
    def load(
        self, clients: int = 2, sites: Sequence[str] = tuple(CHATS), pause_seconds: float = 0.05
    ) -> Iterator[None]:
        """As many clients to each host that serves, who go to the other where one fails."""
        urls = [host.url for host in self.all if host.serves]
        with ExitStack() as stack:
            for shift in range(len(urls)):
                turned = urls[shift:] + urls[:shift]
                load = Load(
                    turned,
                    self._key,
                    self.ledger,
                    sites=sites,
                    clients=clients,
                    pause_seconds=pause_seconds,
                )
                stack.enter_context(load)
            yield

    def pids(self) -> set[int]:
        """The processes that deliver, of all hosts."""
        return {pid for host in self.all for pid in host.pids()}

    def record_at(self, host: Host, **said: str) -> Attempt:
        """A single request about somebody new, at this host."""
        return record_one(host.url, self._key, self.ledger, site=next(iter(CHATS)), **said)

    def wait_for_acknowledged(self, more: int) -> None:
        """Until that many more requests than now were acknowledged."""
        wanted = self.ledger.acknowledged + more
        until(lambda: self.ledger.acknowledged >= wanted, f"{wanted} acknowledgements")

    def until(self, holds: Callable[[], bool], what: str) -> None:
        """Wait until `holds()`, which asks the server, and so is not cheap."""
        until(holds, what, look_every_seconds=0.05)

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
        while True:
            host.signal(signal.SIGSTOP)
            time.sleep(0.02)
            if self._in_no_transaction(host):
                return
            host.signal(signal.SIGCONT)
            time.sleep(0.01)

    def _in_no_transaction(self, host: Host) -> bool:
        """Whether it has none open in which the server waits for its next word."""
        return bool(self.rows(_IN_NO_TRANSACTION.format(name=host.name))[0][0])

    def strike_at(self, number: signal.Signals, *points: str) -> None:
        """For each point, let the next process that passes it get the signal; wait until all
        have been passed."""
        new = self._points / "new"
        for point in points:
            new.write_text(number.name)
            new.replace(self._points / point)
        until(lambda: not any(self._points.iterdir()), f"somebody passes {', '.join(points)}")

    def forget_doubts(self) -> None:
        """Take away what explains a message that is shown twice."""
        for statement in _FORGET_DOUBTS:
            self.rows(statement)

    def verdict(self, drained_within_seconds: float = _DRAINED_WITHIN_SECONDS) -> Verdict:
        """What came of it, once all is recorded and nothing waits any more, or the time is over."""
        wait(lambda: self.ledger.told <= self._recorded(), RECORDED_WITHIN_SECONDS)
        self.drain(drained_within_seconds)
        stored = read_server(self.rows, integrity_of_trail(self.server.url(self.database)))
        verdict = check(self.ledger.attempts, arrivals(self.sandbox.messages()), stored)
        print(verdict)
        return verdict

    def drain(self, within_seconds: float = _DRAINED_WITHIN_SECONDS) -> None:
        """Wait until nothing waits any more or the time is over."""
        wait(lambda: self.rows(_UNSETTLED) == [(0,)], within_seconds)

    def _recorded(self) -> set[str]:
        return {person for (person,) in self.rows("SELECT person_id FROM attendance")}
