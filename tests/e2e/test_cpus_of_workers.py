"""Real workers on the CPUs of this machine."""

import os
import signal
import time
from collections.abc import Callable

import pytest
from service import Service


def wait_until_bound(service: Service, expected: list[frozenset[int]]) -> None:
    """A worker that has just been forked is bound a moment later."""
    deadline = time.monotonic() + 20
    while (found := affinities(service)) != expected:
        assert time.monotonic() < deadline, found
        time.sleep(0.05)


def wait_until_gone(service: Service, pid: int) -> None:
    while pid in service.worker_pids():
        time.sleep(0.02)


def affinities(service: Service) -> list[frozenset[int]]:
    workers = service.worker_pids()
    return sorted((frozenset(os.sched_getaffinity(pid)) for pid in workers), key=sorted)


@pytest.mark.skipif(
    len(os.sched_getaffinity(0)) < 2,
    reason="A machine with one CPU has nothing to share out: run it where there are two.",
)
def test_each_worker_has_a_cpu_of_its_own_also_after_one_was_replaced(
    make_service: Callable[..., Service],
) -> None:
    allowed = os.sched_getaffinity(0)
    service = make_service(WEB_CONCURRENCY=str(len(allowed)))
    one_each = [frozenset({cpu}) for cpu in sorted(allowed)]
    wait_until_bound(service, one_each)
    # Whichever ends: twice the newer one, so that ages say nothing about who is there.
    for _ in range(2):
        newest = service.worker_pids()[-1]
        os.kill(newest, signal.SIGKILL)
        wait_until_gone(service, newest)
        wait_until_bound(service, one_each)


def test_one_worker_more_than_cpus_goes_where_the_kernel_sends_it(
    make_service: Callable[..., Service],
) -> None:
    """The control: the count above does see who is bound."""
    allowed = os.sched_getaffinity(0)
    service = make_service(WEB_CONCURRENCY=str(len(allowed) + 1))
    assert set(affinities(service)) == {frozenset(allowed)}
