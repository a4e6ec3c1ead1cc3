"""What may go wrong between the service and Telegram, one kind after the other, under load.

Control: without a note of the attempts whose end is unknown, a message that arrived though its
answer did not is shown twice and unexplained.
"""

import time
from collections.abc import Callable
from typing import Any

import pytest
from rig import ROUNDS, Rig, until

Make = Callable[..., Rig]
SECONDS_BEYOND_THE_DEADLINE = 1.0
LONGEST_WAIT = 90.0

FAULTS: dict[str, dict[str, Any]] = {
    "a black hole": {
        "kind": "delay",
        "delay_seconds": SECONDS_BEYOND_THE_DEADLINE,
        "delivered": False,
    },
    "an answer too late": {"kind": "delay", "delay_seconds": SECONDS_BEYOND_THE_DEADLINE},
    "a reset before the message": {"kind": "drop"},
    "a reset after the message": {"kind": "drop", "delivered": True},
    "half an answer": {"kind": "cut"},
    "half a head": {"kind": "cut", "bytes": 20},
    "an answer that drips": {"kind": "drip", "interval_seconds": 0.05},
    "a head that drips": {"kind": "drip", "interval_seconds": 0.05, "part": "headers"},
}


def meet(rig: Rig, fault: dict[str, Any], times: int = 2) -> None:
    """While messages get through: the wait of one that fails over and over grows to a minute."""
    wait_for_arrivals(rig, 8)
    rig.sandbox.fault(**fault, times=times)
    until(lambda: rig.sandbox.faults.waiting() == [], "requests meet the fault", LONGEST_WAIT)


def wait_for_arrivals(rig: Rig, more: int) -> None:
    wanted = len(rig.sandbox.messages()) + more
    until(lambda: len(rig.sandbox.messages()) >= wanted, "messages get through", LONGEST_WAIT)


def refuse(rig: Rig) -> None:
    """Nobody listens for a while."""
    wait_for_arrivals(rig, 8)
    rig.sandbox.stop()
    time.sleep(1)
    rig.sandbox.start()


def test_no_trouble_of_the_network_loses_a_message(make_rig: Make) -> None:
    rig = make_rig()
    with rig.load():
        for _ in range(ROUNDS):
            for fault in FAULTS.values():
                meet(rig, fault)
            refuse(rig)
    verdict = rig.verdict()
    assert verdict.is_valid, verdict
    assert verdict.explained, verdict
    assert rig.ledger.count(503) == rig.ledger.count(None) == 0  # the clients notice nothing


@pytest.mark.parametrize("name", ["a reset after the message", "an answer that drips"])
def test_control_a_repeat_of_which_nothing_is_noted_is_unexplained(
    make_rig: Make, name: str
) -> None:
    rig = make_rig()
    rig.forget_doubts()
    with rig.load():
        meet(rig, FAULTS[name])
    assert rig.verdict().unexplained
