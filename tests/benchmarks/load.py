"""The load: wrk, 16 connections, a fresh person and Idempotency-Key in each request."""

import itertools
import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

CONNECTIONS = 16
_SCRIPT = Path(__file__).with_name("post.lua")
_runs = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Load:
    """What wrk saw: `requests` were answered, of which `refused` with 4xx or 5xx; `broken` were
    not answered."""

    requests: int
    seconds: float
    p50_ms: float
    p99_ms: float
    refused: int
    broken: int

    @property
    def accepted(self) -> int:
        return self.requests - self.refused

    @property
    def per_second(self) -> float:
        return self.accepted / self.seconds


GROUPS = 64
"""Over how many groups the people are spread."""


def post(url: str, seconds: float, key: str) -> Load:
    """Post for about `seconds`, with `key`."""
    # wrk counts whole seconds.
    duration = f"{max(1, round(seconds))}s"
    script = [str(_SCRIPT), url, "--", f"run{next(_runs)}", key, str(GROUPS)]
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{duration}", "--timeout", "30s", "-s", *script]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    return Load(**json.loads(run.stdout.splitlines()[-1]))
