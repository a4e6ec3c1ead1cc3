"""Stops of a service at any moment, as a person and a supervisor cause them.

    python tests/e2e/stopping.py [COUNT] [SEED]

starts it COUNT times (100), stops it at a moment between its first instruction and long after its
first worker, and prints a line for each: what it was told, how long the end took, what was wrong.
"""

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

# What all tests share lies one folder up.
sys.path.append(str(Path(__file__).parents[1]))

from service import ROOT, Service

TOTAL_SECONDS = 2.0
"""What a delivery may take."""

WITHIN_SECONDS = TOTAL_SECONDS + 3.0
LATEST_SECONDS = 2.5
"""By then all workers have been at work for a second or more."""

LEFT = {"attendance.db", "attendance.db.checkpoint", "attendance.db.turnstile", "service.log"}
_OPEN = {"attendance.db-wal", "attendance.db-shm", "attendance.db-journal"}
_GONE_WITHIN_SECONDS = 30.0


@dataclass(frozen=True)
class Order:
    """A signal after so many seconds: to all processes, as by a terminal, or to the master."""

    after_seconds: float
    name: str
    to_all: bool = False

    def __str__(self) -> str:
        return f"{self.name}{' to all' * self.to_all} at {self.after_seconds:.3f} s"


@dataclass(frozen=True)
class Stop:
    """How one went."""

    orders: tuple[Order, ...]
    seconds: float
    faults: tuple[str, ...]

    def __str__(self) -> str:
        told = ", ".join(map(str, self.orders))
        return f"{self.seconds:5.2f} s  {'; '.join(self.faults) or 'ok'}  ({told})"


def orders(chance: random.Random) -> tuple[Order, ...]:
    """What a person or a supervisor may do: one signal or several, in quick succession."""
    at = chance.uniform(0, LATEST_SECONDS)
    told = []
    if chance.random() < 0.25:
        # Before gunicorn listens to it, HUP is the end of a terminal: no reload, but no fault.
        told.append(Order(at, "SIGHUP"))
        at += chance.uniform(0, 0.5)
    name = chance.choice(["SIGINT", "SIGINT", "SIGTERM", "SIGQUIT"])
    for _ in range(chance.choice([1, 1, 2, 3])):
        told.append(Order(at, name, to_all=name == "SIGINT"))
        at += chance.choice([0.0, 0.001, 0.01, 0.1, 0.3]) * chance.random()
    return tuple(told)


def stopped(folder: Path, told: tuple[Order, ...]) -> Stop:
    """Start a service in `folder`, give the orders, and look at what is left."""
    service = Service(folder, TELEGRAM_TIMEOUT=f"1,{TOTAL_SECONDS:g}", WEB_CONCURRENCY="2")
    started = time.monotonic()
    with service.log.open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, str(ROOT / "manage.py"), "serve"],
            env=service.environment,
            cwd=folder,
            stdout=log,
            stderr=log,
            start_new_session=True,
            preexec_fn=_heed,  # noqa: PLW1509 - before it has threads
        )
    ordered = started + next(one.after_seconds for one in told if one.name != "SIGHUP")
    for order in told:
        time.sleep(max(0.0, started + order.after_seconds - time.monotonic()))
        _send(process, order)
    try:
        _until(lambda: process.poll() is not None and not _group(process.pid))
        seconds = time.monotonic() - ordered
        return Stop(told, seconds, tuple(_faults(folder, service.log, seconds)))
    finally:
        for pid in _group(process.pid):
            os.kill(pid, signal.SIGKILL)
        process.wait()


def _heed() -> None:
    """Heed signals that a shell lets its background processes ignore."""
    for number in (signal.SIGINT, signal.SIGQUIT):
        signal.signal(number, signal.SIG_DFL)


def _send(process: "subprocess.Popen[bytes]", order: Order) -> None:
    number = signal.Signals[order.name]
    if process.poll() is None:
        (os.killpg if order.to_all else os.kill)(process.pid, number)


def _until(is_true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _GONE_WITHIN_SECONDS
    while not is_true() and time.monotonic() < deadline:
        time.sleep(0.01)


def _group(session: int) -> list[int]:
    """The processes of a session that are still there."""
    there = []
    for entry in Path("/proc").iterdir():
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except (OSError, NotADirectoryError):
            continue
        if entry.name.isdigit() and int(fields[3]) == session and fields[0] != "Z":
            there.append(int(entry.name))
    return there


def _faults(folder: Path, log: Path, seconds: float) -> list[str]:
    said = log.read_text()
    left = {path.name for path in folder.iterdir()}
    # A process that the kernel ends at once, as before gunicorn listens, closes no database.
    unfinished = (
        {"attendance.db-wal", "attendance.db-shm"} if "Starting gunicorn" not in said else set()
    )
    found = {
        f"took {seconds:.1f} s": seconds > WITHIN_SECONDS,
        # Python's own first 50 ms, before it runs anything of ours, are not ours to mend.
        "a traceback": "Traceback" in said and "init_import_site" not in said,
        "an ignored exception": "Exception ignored" in said,
        "a worker was killed": "SIGKILL" in said,
        f"left {sorted(left - LEFT - unfinished)}": not left <= LEFT | unfinished,
    }
    return [what for what, is_so in found.items() if is_so]


def main(count: int = 100, seed: int = 1) -> int:
    chance, wrong = random.Random(seed), 0  # noqa: S311
    for number in range(count):
        with tempfile.TemporaryDirectory() as folder:
            stop = stopped(Path(folder), orders(chance))
            print(f"{number + 1:4}  {stop}", flush=True)
            if stop.faults:
                wrong += 1
                print((Path(folder) / "service.log").read_text(), file=sys.stderr)
    print(f"{count - wrong} of {count} stops in order (seed {seed})")
    return min(wrong, 1)


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
