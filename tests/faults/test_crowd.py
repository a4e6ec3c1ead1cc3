"""Connections that say nothing, speak slowly or never read, beside clients that behave: these are
answered as before, and nothing that they were told is lost.

The control is gunicorn's own thread worker, which gives each connection a thread.

    python tests/faults/test_crowd.py

prints the figures, of a machine that does nothing else.
"""

import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest
import requests

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).parents[1] / "e2e"), str(Path(__file__).parents[1])]

from clients import Load
from crowd import Crowd
from history import Ledger
from rig import CHATS, Rig, set_up, until
from service import Service, telegram

from attendance.db import Database, schema
from attendance.sandbox import Sandbox

Make = Callable[..., Rig]

IDLE, SENDERS, READERS, CLIENTS = 1200, 100, 100, 4
FILES = 1024
SECONDS = 3.0
OWN_WORKER = {"GUNICORN_CMD_ARGS": "--worker-class gthread"}
MOST_MS = 250.0
SLOWER_AT_MOST = 8.0
"""Times the p99 without the crowd: a busy machine makes both longer."""


def p99_ms(ledger: Ledger, began: float) -> float:
    """Of what was asked since then, whatever the answer was."""
    took = [one.took_seconds for one in ledger.attempts if one.ended_at >= began]
    return statistics.quantiles(took, n=100)[-1] * 1000 if len(took) > 1 else float("inf")


def crowd_at(service: Service, auditor: str) -> Crowd:
    host, port = service.url.removeprefix("http://").split(":")
    return Crowd((host, int(port)), auditor, idle=IDLE, senders=SENDERS, readers=READERS)


def limit_files(service: Service) -> None:
    for pid in [service.process.pid, *service.worker_pids()]:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (FILES, FILES))


def beside_a_crowd(service: Service, key: str, ledger: Ledger) -> tuple[float, float]:
    """The p99 in milliseconds of well-behaved clients, without the crowd and beside it."""
    auditor = service.make_key("auditor")
    load = Load([service.url], key, ledger, sites=tuple(CHATS), clients=CLIENTS, pause_seconds=0.02)
    with ExitStack() as stack:
        stack.enter_context(load)
        time.sleep(1)  # connections are made, and what is looked up at first is known
        began = time.time()
        time.sleep(SECONDS)
        quiet = p99_ms(ledger, began)
        crowd = stack.enter_context(crowd_at(service, auditor))
        until(lambda: crowd.present + crowd.cut_off > IDLE, "the crowd has come")
        began = time.time()
        time.sleep(SECONDS)
        return quiet, p99_ms(ledger, began)


def test_a_crowd_keeps_nobody_waiting_and_loses_nothing(make_rig: Make) -> None:
    """Nor where a process may have no more than 1,024 files open, as on many machines."""
    rig = make_rig()
    limit_files(rig.service)
    quiet, crowded = beside_a_crowd(rig.service, rig.key, rig.ledger)
    print(f"p99: {quiet:.0f} ms, beside the crowd {crowded:.0f} ms")
    assert crowded < max(MOST_MS, SLOWER_AT_MOST * quiet)
    verdict = rig.verdict()
    assert verdict.is_valid, verdict
    assert "Traceback" not in rig.service.log.read_text()


def test_control_where_each_connection_takes_a_thread_nobody_is_answered(make_rig: Make) -> None:
    rig = make_rig(**OWN_WORKER)
    with crowd_at(rig.service, rig.service.make_key("auditor")) as crowd:
        until(lambda: crowd.present > IDLE / 2, "the crowd has come")
        with pytest.raises(requests.Timeout):
            requests.get(f"{rig.service.url}/livez", timeout=SECONDS)


def main() -> None:
    for few in (False, True):
        with tempfile.TemporaryDirectory() as folder, Sandbox() as sandbox:
            service = Service(Path(folder), command=("serve",), **telegram(sandbox))
            url = service.environment["DATABASE_URL"]
            schema.upgrade(url)
            database = Database.at(url)
            key = database.write(lambda connection: set_up(connection, CHATS))
            database.close()
            with service:
                if few:
                    limit_files(service)
                quiet, crowded = beside_a_crowd(service, key, Ledger())
            files = f"{FILES} files" if few else "default"
            print(f"{files}: p99 {quiet:.0f} ms, beside the crowd {crowded:.0f} ms")


if __name__ == "__main__":
    main()
