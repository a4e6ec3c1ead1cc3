"""A gunicorn with our settings, of which a test takes one away."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
from calling import ADA, KEYS

ROOT = Path(__file__).parents[3]
_STARTS_WITHIN_SECONDS = 60.0

_OURS = """
from runpy import run_path
globals().update(run_path("{path}"))
"""

Answer = tuple[int, dict[str, str], Any]


@dataclass
class Gunicorn:
    """A service that runs."""

    url: str
    process: "subprocess.Popen[bytes]"
    log: Path

    def affinities(self, expected: set[frozenset[int]]) -> set[frozenset[int]]:
        """The CPUs that its workers may run on: as expected, or what they are after a while."""
        path = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        deadline = time.monotonic() + _STARTS_WITHIN_SECONDS
        while True:
            pids = map(int, path.read_text().split())
            found = {frozenset(os.sched_getaffinity(pid)) for pid in pids}
            if found == expected or time.monotonic() > deadline:
                return found
            time.sleep(0.05)

    def answers(self) -> list[Answer]:
        """What a client reads, but for what each answer has of its own."""
        asked = [
            ("POST", {**ADA, "occurred_at": "2026-11-23T12:00:00Z"}, "frontend"),
            ("POST", {"person_id": "bob"}, "frontend"),
            ("POST", ADA, "auditor"),
        ]
        return [self._answer(*one) for one in asked]

    def _answer(self, method: str, body: dict[str, str], role: Any) -> Answer:
        headers = {"Authorization": f"Bearer {KEYS[role]}", "X-Request-Id": "request-1"}
        url = f"{self.url}/attendance"
        answer = requests.request(method, url, json=body, headers=headers, timeout=30)
        said = answer.json()
        said.get("attendance", {}).pop("received_at", None)
        # What is left of a limit is said with the time until it is whole again.
        return answer.status_code, {**answer.headers, "Date": "", "RateLimit": ""}, said

    def told(self) -> list[str]:
        """What it has logged, without the numbers that differ from one to the next."""
        lines = self.log.read_text(encoding="utf-8").splitlines()
        return sorted(re.sub(r"\d+", "0", line) for line in lines)


@contextmanager
def gunicorn(
    with_keys: Path, folder: Path, changes: str = "", workers: int = 1
) -> Iterator[Gunicorn]:
    """One on a fresh database. `changes` is what its settings say after ours."""
    folder.mkdir()
    shutil.copy(with_keys, folder / "attendance.db")
    settings = folder / "settings.py"
    ours = _OURS.format(path=ROOT / "gunicorn.conf.py")
    settings.write_text(ours + changes, encoding="utf-8")
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    environment = {
        **os.environ,
        "DATABASE_URL": f"sqlite:///{folder / 'attendance.db'}",
        "BIND": address,
        "DISPATCHER": "off",
        "LOG_FORMAT": "text",
        "WEB_CONCURRENCY": str(workers),
        "TELEGRAM_CHAT_ID": "1000",
    }
    log = folder / "log"
    with log.open("wb") as file:
        command = [sys.executable, "-m", "gunicorn", "-c", str(settings)]
        process = subprocess.Popen(command, env=environment, cwd=folder, stderr=file)
    try:
        _wait_until_ready(process, f"http://{address}", log)
        yield Gunicorn(f"http://{address}", process, log)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def _wait_until_ready(process: "subprocess.Popen[bytes]", url: str, log: Path) -> None:
    deadline = time.monotonic() + _STARTS_WITHIN_SECONDS
    while True:
        assert process.poll() is None, log.read_text(encoding="utf-8")
        assert time.monotonic() < deadline, log.read_text(encoding="utf-8")
        try:
            if requests.get(f"{url}/readyz", timeout=10).ok:
                return
        except requests.ConnectionError:
            time.sleep(0.05)
