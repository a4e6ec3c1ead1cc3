"""A clock that jumps, forward and back, under load: nothing is lost, and repeats are explained.

By a clock of the test's in the service's code, and by a library that is loaded before the system's
and lies to all of the process. Leases end at once when the clock jumps ahead. Control: without a
note of that, what is shown twice is unexplained.
"""

from collections.abc import Callable
from pathlib import Path

import pytest
from history import arrivals
from rig import ROUNDS, Rig, until
from shifted_clock import build, set_clock

Make = Callable[..., Rig]
HOUR = 3600


def own_clock(make_rig: Make, clock: Path) -> Rig:
    return make_rig("with-a-clock-of-its-own", FAULTS_CLOCK=str(clock))


def shifted_clock(make_rig: Make, clock: Path) -> Rig:
    return make_rig(LD_PRELOAD=str(build(clock.parent)), FAULTS_CLOCK=str(clock))


@pytest.fixture(params=[own_clock, shifted_clock])
def make_with_clock(
    request: pytest.FixtureRequest, make_rig: Make, tmp_path: Path
) -> Callable[[], tuple[Rig, Path]]:
    clock = tmp_path / "clock"
    set_clock(clock, 0)
    return lambda: (request.param(make_rig, clock), clock)


def jump(rig: Rig, clock: Path, seconds: int) -> None:
    """In the middle of a delivery, whose lease is over with it, and until it was repeated."""
    rig.wait_for_acknowledged(20)
    repeats = repeated(rig)
    rig.sandbox.fault("delay", delay_seconds=0.4)
    until(lambda: rig.sandbox.faults.waiting() == [], "a request meets the fault")
    set_clock(clock, seconds)
    until(lambda: repeated(rig) > repeats, "another takes the message over")


def repeated(rig: Rig) -> int:
    people = [arrival.person for arrival in arrivals(rig.sandbox.messages())]
    return len(people) - len(set(people))


def test_jumps_of_the_clock_lose_nothing(
    make_with_clock: Callable[[], tuple[Rig, Path]],
) -> None:
    rig, clock = make_with_clock()
    with rig.load():
        for times in range(ROUNDS):
            jump(rig, clock, HOUR + 4 * times * HOUR)
            # Back again: what was recorded meanwhile is due in the future, and waits for it.
            set_clock(clock, -HOUR)
            rig.wait_for_acknowledged(20)
            set_clock(clock, 4 * (times + 1) * HOUR)
    verdict = rig.verdict()
    assert verdict.is_valid, verdict
    assert verdict.explained, verdict


def test_control_a_repeat_of_which_nothing_is_noted_is_unexplained(
    make_with_clock: Callable[[], tuple[Rig, Path]],
) -> None:
    rig, clock = make_with_clock()
    rig.forget_doubts()
    with rig.load():
        jump(rig, clock, HOUR)
    assert rig.verdict().unexplained
