"""A real service for a test: `manage.py serve` in processes of its own, on a fresh database."""

import json
import os
import secrets
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import requests
from ports import free_port

from attendance import api_keys, audit
from attendance.db import Database, utc_now
from attendance.models import Role
from attendance.sandbox import Sandbox

NO_LIMITS = {"OUTBOX_RATE_CHAT": "off", "OUTBOX_RATE_GROUP": "off", "OUTBOX_RATE_OVERALL": "off"}
"""For tests that are about something else than the pace."""

ROOT = Path(__file__).parents[2]
CHAT = "1000"
_STARTS_WITHIN_SECONDS = 30.0


def telegram(sandbox: Sandbox) -> dict[str, str]:
    """The settings of a service that sends to the sandbox."""
    return {
        "TELEGRAM_BOT_TOKEN": sandbox.token,
        "TELEGRAM_CHAT_ID": CHAT,
        "TELEGRAM_API_BASE": sandbox.url,
    }


class Service:
    """Started by `with`; killed at the end if it is still there. `settings` are environment
    variables beside the database and the address, `log` is where its standard error goes, `root`
    where its code lies."""

    def __init__(self, folder: Path, *, command: tuple[str, ...] = ("serve",), **settings: str):
        self.database = folder / "attendance.db"
        self.log = folder / "service.log"
        self.url = f"http://127.0.0.1:{free_port()}"
        self.root = ROOT
        self._command = command
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        return {
            **kept,
            "DATABASE_URL": f"sqlite:///{self.database}",
            "BIND": self.url.removeprefix("http://"),
            "LOG_FORMAT": "json",
            "PYTHONPATH": str(self.root),
            **self._settings,
        }

    @property
    def process(self) -> "subprocess.Popen[bytes]":
        assert self._process is not None
        return self._process

    def start(self) -> Self:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, str(self.root / "manage.py"), *self._command],
                env=self.environment,
                cwd=self.database.parent,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        if self._command == ("serve",):
            self._wait_until_ready()
        return self

    def stop(self, timeout_seconds: float = 60.0) -> float:
        """SIGTERM, and wait for the end; how long it took."""
        started = time.monotonic()
        self.process.terminate()
        self.process.wait(timeout_seconds)
        return time.monotonic() - started

    def reload(self) -> None:
        """SIGHUP: gunicorn replaces its workers."""
        self.process.send_signal(signal.SIGHUP)

    def kill(self) -> None:
        """SIGKILL for all of it, at once."""
        if self._process is not None and self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def worker_pids(self) -> list[int]:
        """gunicorn's workers, the children of its master."""
        path = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(pid) for pid in path.read_text().split()]

    def manage(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run another command on the same database."""
        return subprocess.run(
            [sys.executable, str(self.root / "manage.py"), *arguments],
            env=self.environment,
            cwd=self.database.parent,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def make_key(self, role: Role) -> str:
        """In this process, which takes a thirtieth of the time of `keys create`."""
        context, token = audit.service_context("tests"), secrets.token_urlsafe(32)
        name = f"{role}-{time.monotonic_ns()}"
        with closing(Database.at(self.environment["DATABASE_URL"])) as database:
            return database.write(
                lambda connection: api_keys.create(
                    connection, utc_now(), context, name=name, role=role, random_token=lambda: token
                )
            )

    def rows(self, query: str) -> list[dict[str, Any]]:
        """What an auditor's own SQLite reads."""
        connection = sqlite3.connect(self.database)
        connection.row_factory = sqlite3.Row
        try:
            return [dict(row) for row in connection.execute(query)]
        finally:
            connection.close()

    def wait_until(self, query: str, expected: object, timeout_seconds: float = 20.0) -> None:
        """Wait until the only value that `query` gives is `expected`."""
        deadline = time.monotonic() + timeout_seconds
        while (found := next(iter(self.rows(query)[0].values()))) != expected:
            assert time.monotonic() < deadline, f"{query}: {found!r}, not {expected!r}"
            time.sleep(0.02)

    def log_lines(self) -> list[dict[str, Any]]:
        text = self.log.read_text()
        return [json.loads(line) for line in text.splitlines() if line.startswith("{")]

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + _STARTS_WITHIN_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                requests.get(f"{self.url}/readyz", timeout=2).raise_for_status()
            except requests.RequestException:
                time.sleep(0.05)
            else:
                return
        raise AssertionError(f"The service did not start: {self.log.read_text()}")


class Client:
    """A frontend: posts attendance with one key, over one connection."""

    def __init__(self, service: Service, key: str) -> None:
        self._url, self.key = service.url, key
        self.session = requests.Session()
        self.session.headers["Authorization"] = f"Bearer {key}"

    def post(self, person: str, event: str = "check_in", **more: Any) -> requests.Response:
        headers = more.pop("headers", {})
        body = {"person_id": person, "event": event, **more}
        return self.session.post(f"{self._url}/attendance", json=body, headers=headers, timeout=30)

    def get(self, path: str) -> requests.Response:
        return self.session.get(f"{self._url}{path}", timeout=30)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.session.close()
