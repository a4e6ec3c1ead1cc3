"""SIGTERM, SIGHUP, workers that end after `max_requests`, and a rolling restart, under load.

All of them are ordinary: nothing is lost, and nothing is sent twice. Control: an answer that does
not wait for the commit is lost where its process ends.
"""

import os
import signal
from collections.abc import Callable

import pytest
from checker import Verdict
from rig import ROUNDS, TRIES, Rig, until
from service import Service

Make = Callable[..., Rig]
SHORT_LIVED = {"GUNICORN_CMD_ARGS": "--max-requests 30 --max-requests-jitter 10"}


def stop(rig: Rig) -> None:
    rig.service.stop()
    rig.service.start()


def reload(rig: Rig) -> None:
    """Workers are replaced, the old ones after what they have under way."""
    before = set(rig.service.worker_pids())
    os.kill(rig.service.process.pid, signal.SIGHUP)
    until(lambda: before.isdisjoint(rig.service.worker_pids()), "all workers are new")


def outlive_max_requests(rig: Rig) -> None:
    """Each worker ends after some requests, and another takes its place."""
    before = set(rig.service.worker_pids())
    until(lambda: before.isdisjoint(rig.service.worker_pids()), "all workers are new")


def nothing_twice(verdict: Verdict) -> bool:
    return verdict.is_valid and not verdict.explained


def test_stops_and_reloads_lose_nothing_and_send_nothing_twice(make_rig: Make) -> None:
    rig = make_rig()
    with rig.load():
        for end in (stop, reload) * ROUNDS:
            rig.wait_for_acknowledged(20)
            end(rig)
    verdict = rig.verdict()
    assert nothing_twice(verdict), verdict


def test_workers_that_end_after_max_requests_lose_nothing_and_send_nothing_twice(
    make_rig: Make,
) -> None:
    rig = make_rig(**SHORT_LIVED)
    with rig.load():
        rig.wait_for_acknowledged(150 * ROUNDS)
        outlive_max_requests(rig)
    verdict = rig.verdict()
    assert nothing_twice(verdict), verdict


def test_a_rolling_restart_loses_nothing_sends_nothing_twice_and_refuses_nobody(
    make_rig: Make,
) -> None:
    rig = make_rig()
    roll(rig, ROUNDS)
    verdict = rig.verdict()
    assert nothing_twice(verdict), verdict
    assert rig.ledger.count(503) == 0


def roll(rig: Rig, rounds: int = 1) -> None:
    """Under load, with a second master on the same database, which serves on while the first one
    stops, and again and again another takes its place."""
    rig.service.stop()
    with Service(rig.service.database.parent, command=("serve",), **rig.settings) as second:
        rig.service.start()
        with rig.load(second.url):
            for _ in range(rounds):
                rig.wait_for_acknowledged(20)
                rig.service.stop()
                rig.wait_for_acknowledged(20)
                rig.service.start()
            rig.wait_for_acknowledged(20)


def under_load(end: Callable[[Rig], None]) -> Callable[[Rig], None]:
    def strike(rig: Rig) -> None:
        with rig.load():
            rig.wait_for_acknowledged(20)
            end(rig)

    return strike


@pytest.mark.parametrize(
    ("strike", "settings"),
    [
        pytest.param(under_load(stop), {}, id="stop"),
        pytest.param(under_load(reload), {}, id="reload"),
        pytest.param(under_load(outlive_max_requests), SHORT_LIVED, id="max_requests"),
        pytest.param(roll, {}, id="rolling"),
    ],
)
def test_control_an_answer_before_the_commit_is_lost_where_its_process_ends(
    make_rig: Make, strike: Callable[[Rig], None], settings: dict[str, str]
) -> None:
    """A worker that ends waits a little for kept connections: whether the record is late enough is
    chance."""

    def loses() -> bool:
        rig = make_rig("without-answer-after-commit", **settings)
        strike(rig)
        return bool(rig.verdict().lost)

    assert any(loses() for _ in range(TRIES))
