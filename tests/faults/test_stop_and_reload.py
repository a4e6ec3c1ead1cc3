"""SIGTERM, SIGHUP, workers that end after `max_requests`, and a rolling restart, under load.

All of them are ordinary: nothing is lost, and nothing is sent twice. Control: an answer that does
not wait for the commit is lost where its process ends.
"""

import os
import signal
from collections.abc import Callable

import pytest
from checker import Verdict
from rig import ROUNDS, Rig, until
from service import Service

Make = Callable[..., Rig]


def stop(rig: Rig) -> None:
    rig.service.stop()
    rig.service.start()


def reload(rig: Rig) -> None:
    """Workers are replaced, the old ones after what they have under way."""
    before = set(rig.service.worker_pids())
    os.kill(rig.service.process.pid, signal.SIGHUP)
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
    rig = make_rig(GUNICORN_CMD_ARGS="--max-requests 30 --max-requests-jitter 10")
    first = set(rig.service.worker_pids())
    with rig.load():
        rig.wait_for_acknowledged(150 * ROUNDS)
        until(lambda: first.isdisjoint(rig.service.worker_pids()), "all workers are new")
    verdict = rig.verdict()
    assert nothing_twice(verdict), verdict


def test_a_rolling_restart_loses_nothing_sends_nothing_twice_and_refuses_nobody(
    make_rig: Make,
) -> None:
    rig = make_rig()
    rig.service.stop()
    with Service(rig.service.database.parent, command=("serve",), **rig.settings) as second:
        rig.service.start()
        with rig.load(second.url):
            for _ in range(ROUNDS):
                rig.wait_for_acknowledged(20)
                rig.service.stop()
                rig.wait_for_acknowledged(20)
                rig.service.start()
            rig.wait_for_acknowledged(20)
        verdict = rig.verdict()
    assert nothing_twice(verdict), verdict
    assert rig.ledger.count(503) == 0


@pytest.mark.parametrize("end", [stop, reload])
def test_control_an_answer_before_the_commit_is_lost_at_the_stop(
    make_rig: Make, end: Callable[[Rig], None]
) -> None:
    rig = make_rig("without-answer-after-commit")
    with rig.load():
        rig.wait_for_acknowledged(20)
        end(rig)
    assert rig.verdict().lost
