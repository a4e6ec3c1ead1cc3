"""Servers under measure: gunicorn in processes of its own, frozen while it is not measured."""

import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests
from contenders import make_naive_tables
from load import Load, post
from measuring import NotReal
from processes import children, cpu_seconds, free_port
from sink import Sink
from sqlalchemy import Connection

from attendance import api_keys, audit
from attendance.db import Database, schema, utc_now

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
CHAT = "1000"
TOKEN = "12345:" + "A" * 35
NO_LIMITS = {"OUTBOX_RATE_CHAT": "off", "OUTBOX_RATE_GROUP": "off", "OUTBOX_RATE_OVERALL": "off"}


@dataclass(slots=True)
class Measured:
    """A slot of load, and the CPU that all workers spent on it."""

    load: Load
    cpu_seconds: float

    @property
    def cpu_ms_per_request(self) -> float:
        return 1000 * self.cpu_seconds / self.load.accepted


@dataclass(slots=True)
class Server:
    """A gunicorn: its master process, its address, its database, and the key to post with."""

    process: "subprocess.Popen[bytes]"
    url: str
    database: Path
    key: str

    @property
    def workers(self) -> list[int]:
        return children(self.process.pid)

    @contextmanager
    def awake(self) -> Iterator[None]:
        """Outside of it the server is frozen, so that whatever else is measured has the machine."""
        os.killpg(self.process.pid, signal.SIGCONT)
        yield
        os.killpg(self.process.pid, signal.SIGSTOP)

    def load(self, seconds: float) -> Measured:
        """Put load on it. Raises NotReal where a request was not answered, or none accepted."""
        before = self._cpu_seconds()
        load = post(self.url, seconds, self.key)
        if load.broken or not load.accepted:
            raise NotReal(f"{load} from {self.url}")
        return Measured(load, self._cpu_seconds() - before)

    def _cpu_seconds(self) -> float:
        return sum(map(cpu_seconds, self.workers))


@contextmanager
def ours(folder: Path, sink: Sink, **settings: str) -> Iterator[Server]:
    """The service, through its own gunicorn.conf.py, delivering to `sink`. Its database, in
    `folder` unless DATABASE_URL is among the settings, may have been prepared."""
    path = folder / "ours.db"
    with prepared_at(settings.get("DATABASE_URL", f"sqlite:///{path}")) as database:
        key = database.write(make_key)
    arguments = ("-c", str(ROOT / "gunicorn.conf.py"))
    with _gunicorn(arguments, path, sink, key, settings) as server:
        yield server


@contextmanager
def contender(name: str, folder: Path, sink: Sink, **settings: str) -> Iterator[Server]:
    """One of `contenders.py`, on the same gunicorn."""
    path = folder / f"{name}.db"
    if name == "naive":
        make_naive_tables(f"sqlite:///{path}")
    arguments = ("-c", str(HERE / "contenders.conf.py"), f"contenders:{name}()")
    with _gunicorn(arguments, path, sink, "none", settings) as server:
        yield server


def prepared(path: Path) -> AbstractContextManager[Database]:
    """The service's SQLite database at `path`, made if need be, open in this process and closed at
    the end: no server may run beside."""
    return prepared_at(f"sqlite:///{path}")


@contextmanager
def prepared_at(url: str) -> Iterator[Database]:
    """The same for any URL, of a database that exists where it is a server's."""
    schema.upgrade(url)
    database = Database.at(url)
    try:
        yield database
    finally:
        database.close()


def make_key(connection: Connection) -> str:
    """One to post with."""
    context, name = audit.service_context("benchmark"), f"bench-{secrets.token_hex(4)}"
    return api_keys.create(
        connection,
        utc_now(),
        context,
        name=name,
        role="frontend",
        random_token=lambda: secrets.token_urlsafe(32),
    )


@contextmanager
def _gunicorn(
    arguments: tuple[str, ...], database: Path, sink: Sink, key: str, settings: Mapping[str, str]
) -> Iterator[Server]:
    log, address = database.with_suffix(".log"), f"127.0.0.1:{free_port()}"
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", *arguments],
            env={**_environment(database, sink), "BIND": address, **settings},
            cwd=HERE,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    server = Server(process, f"http://{address}/attendance", database, key)
    try:
        _wait_until_it_answers(server, log)
        yield server
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _environment(database: Path, sink: Sink) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "DATABASE_URL": f"sqlite:///{database}",
        "LOG_FORMAT": "json",
        "WEB_CONCURRENCY": "2",
        # Counted as by default, and out of reach of one key that does nothing but post.
        "RATE_LIMIT_KEY": "9999999/3600s",
        "TELEGRAM_BOT_TOKEN": TOKEN,
        "TELEGRAM_CHAT_ID": CHAT,
        "TELEGRAM_API_BASE": sink.url,
    }


def _wait_until_it_answers(server: Server, log: Path) -> None:
    """All of its workers, before it is frozen for the first time."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and server.process.poll() is None:
        try:
            requests.get(server.url, timeout=5)
        except requests.RequestException:
            time.sleep(0.05)
        else:
            return
    raise NotReal(f"It did not start: {log.read_text()}")
