"""Real processes of the service, on a database of the test's own."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import requests
from ports import free_port

ROOT = Path(__file__).parents[2]
PATIENCE_SECONDS = 30.0


def wait_until(holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < deadline, "it never came about"
        time.sleep(0.05)


class Process:
    """`manage.py …`; killed at the end of the `with` if it still runs."""

    def __init__(self, folder: Path, *arguments: str, **environ: str) -> None:
        self.database = folder / "attendance.db"
        self.port = free_port()
        kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        self._environ = {
            **kept,
            "DATABASE_URL": f"sqlite:///{self.database}",
            "BIND": f"127.0.0.1:{self.port}",
            **environ,
        }
        self._log = folder / "process.log"
        self._command = [sys.executable, str(ROOT / "manage.py"), *arguments]
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, env=self._environ, stdout=log, stderr=log, start_new_session=True
            )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process is not None and self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def await_ready(self) -> None:
        def answers() -> bool:
            try:
                return requests.get(f"http://127.0.0.1:{self.port}/readyz", timeout=2).ok
            except requests.RequestException:
                return False

        wait_until(answers)

    def terminate(self) -> None:
        """SIGTERM, and wait for the end."""
        assert self._process is not None
        self._process.terminate()
        self._process.wait(60)

    def run(self, *arguments: str, **environ: str) -> "subprocess.CompletedProcess[str]":
        """Another command with the same settings."""
        return subprocess.run(
            [*self._command[:2], *arguments],
            env={**self._environ, **environ},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def request(self, method: str, path: str, **options: Any) -> requests.Response:
        return requests.request(
            method, f"http://127.0.0.1:{self.port}{path}", timeout=30, **options
        )
