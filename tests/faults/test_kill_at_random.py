"""kill -9 for a worker, the master, and all at once, at random moments under load.

Control: an answer that does not wait for the commit is lost with its process.
"""

import os
import random
import signal
import time
from collections.abc import Callable

import pytest
from rig import ROUNDS, Rig, until

Make = Callable[..., Rig]


def kill_a_worker(rig: Rig) -> None:
    pids = rig.service.worker_pids()
    os.kill(random.choice(pids), signal.SIGKILL)  # noqa: S311 - pytest-randomly prints its seed
    until(lambda: len(set(rig.service.worker_pids()) - set(pids)) > 0, "another worker")


def kill_the_master(rig: Rig) -> None:
    """Its workers serve on for a moment, until systemd kills what is left of the service."""
    master = rig.service.process
    master.kill()
    master.wait()
    rig.wait_for_acknowledged(5)
    os.killpg(master.pid, signal.SIGKILL)
    rig.service.start()


def kill_all(rig: Rig) -> None:
    rig.service.kill()
    rig.service.start()


KILLS = (kill_a_worker, kill_the_master, kill_all)


def strike(rig: Rig, kill: Callable[[Rig], None]) -> None:
    rig.wait_for_acknowledged(10)
    time.sleep(random.uniform(0, 0.1))  # noqa: S311
    kill(rig)


def test_kills_at_random_moments_lose_nothing(make_rig: Make) -> None:
    rig = make_rig()
    with rig.load():
        for kill in KILLS * ROUNDS:
            strike(rig, kill)
    verdict = rig.verdict()
    assert verdict.is_valid, verdict
    assert verdict.recovered, verdict


def test_an_answer_before_the_commit_loses_nothing_as_long_as_nobody_dies(make_rig: Make) -> None:
    """The control of all controls that answer so: what they lose, they lose to the fault."""
    rig = make_rig("without-answer-after-commit")
    with rig.load():
        rig.wait_for_acknowledged(20)
    verdict = rig.verdict(recorded_within_seconds=30)
    assert verdict.is_valid, verdict


@pytest.mark.parametrize("kill", KILLS)
def test_control_an_answer_before_the_commit_is_lost_with_its_process(
    make_rig: Make, kill: Callable[[Rig], None]
) -> None:
    rig = make_rig("without-answer-after-commit", WEB_CONCURRENCY="1")
    with rig.load():
        strike(rig, kill)
    assert rig.verdict().lost
