"""A command of the service's, run in a process of its own and measured."""

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True, slots=True)
class Took:
    """How long it took, and its memory at most."""

    seconds: float
    mebibytes: float


def timed(url: str, *arguments: str) -> Took:
    """`manage.py` with these arguments on the database that `url` names; it must succeed."""
    command = [sys.executable, str(ROOT / "manage.py"), *arguments]
    started = time.monotonic()
    process = subprocess.Popen(command, env={**os.environ, "DATABASE_URL": url})
    _, status, usage = os.wait4(process.pid, 0)
    took = time.monotonic() - started
    assert status == 0, status
    return Took(took, usage.ru_maxrss / 1024)
