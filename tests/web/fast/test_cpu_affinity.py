"""A worker keeps to one CPU where there are as many workers as CPUs."""

import errno
import os
from collections.abc import Collection
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from gunicorns import gunicorn

from attendance.web.fast import cpu_affinity


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
    assert cpu_affinity.least_taken({6, 4}, taken) == chosen


def worker(workers: int) -> Any:
    return SimpleNamespace(cfg=SimpleNamespace(workers=workers))


def test_as_many_workers_as_cpus_get_one_each() -> None:
    allowed = os.sched_getaffinity(0)
    server = SimpleNamespace(WORKERS={})
    for number in range(len(allowed)):
        one = worker(len(allowed))
        cpu_affinity.assign(server, one)
        server.WORKERS[number] = one
    assert {one.cpu for one in server.WORKERS.values()} == allowed


@pytest.mark.parametrize("more", [-1, 1])
def test_with_more_or_fewer_workers_the_kernel_decides(more: int) -> None:
    allowed = os.sched_getaffinity(0)
    one = worker(len(allowed) + more)
    cpu_affinity.assign(SimpleNamespace(WORKERS={}), one)
    cpu_affinity.keep(one)
    assert os.sched_getaffinity(0) == allowed


def test_a_worker_that_may_not_choose_its_cpu_works_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """gunicorn stops the whole service where this hook raises: systemd's `~@resources` does."""

    def refuse(*_: object) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "sched_setaffinity", refuse)
    one = worker(len(os.sched_getaffinity(0)))
    cpu_affinity.assign(SimpleNamespace(WORKERS={}), one)
    assert one.cpu is not None
    cpu_affinity.keep(one)


def test_a_cpu_that_is_gone_does_not_keep_a_worker_from_starting() -> None:
    one = worker(1)
    one.cpu = 1023
    cpu_affinity.keep(one)


def test_workers_of_a_configuration_without_this_are_no_obstacle() -> None:
    """A reload after an upgrade: the master knows workers that its old configuration made."""
    one = worker(len(os.sched_getaffinity(0)))
    cpu_affinity.assign(SimpleNamespace(WORKERS={1: SimpleNamespace()}), one)
    assert one.cpu == min(os.sched_getaffinity(0))


WITHOUT = """
def pre_fork(server, worker): pass
def post_fork(server, worker): pass
"""


@pytest.mark.slow
def test_workers_that_run_on_every_cpu_serve_the_same(with_keys: Path, tmp_path: Path) -> None:
    allowed = os.sched_getaffinity(0)
    workers = len(allowed)
    with gunicorn(with_keys, tmp_path / "ours", workers=workers) as ours:
        one_each = {frozenset({cpu}) for cpu in allowed}
        assert ours.affinities(one_each) == one_each
        said = ours.answers()
    with gunicorn(with_keys, tmp_path / "without", WITHOUT, workers=workers) as without:
        assert without.affinities({frozenset(allowed)}) == {frozenset(allowed)}
        assert without.answers() == said
