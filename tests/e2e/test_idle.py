"""A service that has nothing to do does nothing: it takes no lock and next to no time."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests
from service import Client, Service

from attendance.db.sqlite.turnstile import Turnstile

SECONDS = 6.0
_TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """What all threads of a process have spent so far, in user space and in the kernel."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def cpu_shares(service: Service, seconds: float) -> list[float]:
    """How much of a core each worker uses while nobody asks for anything."""
    workers = service.worker_pids()
    before = [cpu_seconds(pid) for pid in workers]
    time.sleep(seconds)
    spent = [cpu_seconds(pid) - was for pid, was in zip(workers, before, strict=True)]
    return [one / seconds for one in spent]


@contextmanager
def turnstile_held(service: Service) -> Iterator[None]:
    """Whoever wants to write has to wait for us for as long as the block runs, and can be seen."""
    turnstile = Turnstile(service.database)
    with turnstile:
        yield
    turnstile.close()


def waits_for_turnstile(service: Service) -> list[str]:
    """Who is kept waiting for the turnstile, as the kernel lists them."""
    turnstile = service.database.with_name("attendance.db.turnstile")
    inode = f":{turnstile.stat().st_ino} "
    locks = Path("/proc/locks").read_text().splitlines()
    return [line for line in locks if "->" in line and inode in line]


def settle_in(service: Service, client: Client) -> None:
    """One message has gone out, and what follows a start and a message is done."""
    assert client.post("ada").status_code == 201
    service.wait_until("SELECT count(*) FROM outbox WHERE status = 'sent'", 1)
    time.sleep(2)


@pytest.mark.calm
def test_an_idle_service_takes_no_lock_and_hardly_any_time(
    make_service: Callable[..., Service], make_client: Callable[..., Client]
) -> None:
    service = make_service(WEB_CONCURRENCY="2")
    settle_in(service, make_client(service))
    log = service.database.with_name("attendance.db-wal")
    before = (log.stat().st_size, log.stat().st_mtime_ns)
    with turnstile_held(service):
        shares = cpu_shares(service, SECONDS)
        assert waits_for_turnstile(service) == []
    assert (log.stat().st_size, log.stat().st_mtime_ns) == before
    assert len(shares) == 2
    assert max(shares) < 0.01


def test_a_poll_without_a_pause_is_seen_as_time_spent(
    make_service: Callable[..., Service], make_client: Callable[..., Client]
) -> None:
    """The control: the same count, of a dispatcher that does not rest."""
    service = make_service(WEB_CONCURRENCY="2", OUTBOX_POLL_SECONDS="0.001")
    settle_in(service, make_client(service))
    assert min(cpu_shares(service, 2.0)) > 0.01


def test_a_worker_that_wants_to_write_is_seen_waiting(make_service: Callable[..., Service]) -> None:
    """The control: health asks for the lock, and the kernel lists it."""
    service = make_service()
    with turnstile_held(service):
        assert requests.get(f"{service.url}/readyz", timeout=30).status_code == 503
        assert waits_for_turnstile(service)
