"""A worker keeps to one CPU where there are as many workers as CPUs."""

import os
from collections.abc import Collection
from types import SimpleNamespace
from typing import Any

import pytest

from attendance.web import cpus


@pytest.mark.parametrize(
    ("taken", "chosen"),
    [
        ([], 4),
        ([4], 6),
        ([4, 6], 4),
        ([6], 4),  # the one that replaces a worker gets what that one had
        ([4, 4, 6], 6),
        ([None, 4], 6),
    ],
)
def test_the_cpu_that_is_taken_least_often_is_chosen(
    taken: Collection[int | None], chosen: int
) -> None:
    assert cpus.least_taken({6, 4}, taken) == chosen


def worker(workers: int) -> Any:
    return SimpleNamespace(cfg=SimpleNamespace(workers=workers))


def test_as_many_workers_as_cpus_get_one_each() -> None:
    allowed = os.sched_getaffinity(0)
    server = SimpleNamespace(WORKERS={})
    for number in range(len(allowed)):
        one = worker(len(allowed))
        cpus.assign(server, one)
        server.WORKERS[number] = one
    assert {one.cpu for one in server.WORKERS.values()} == allowed


@pytest.mark.parametrize("more", [-1, 1])
def test_with_more_or_fewer_workers_the_kernel_decides(more: int) -> None:
    allowed = os.sched_getaffinity(0)
    one = worker(len(allowed) + more)
    cpus.assign(SimpleNamespace(WORKERS={}), one)
    cpus.keep(one)
    assert os.sched_getaffinity(0) == allowed
