"""What may go wrong between the service and Telegram, one kind after the other, under load.

Controls, for each kind: without another try, what did not arrive is lost; without a note of the
attempts whose end is unknown, a message that arrived though its answer did not is shown twice and
unexplained.
"""

import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from typing import Any

from history import arrivals
from rig import ROUNDS, Rig, until

Make = Callable[..., Rig]
Strike = Callable[[Rig], None]
Found = dict[str, set[str]]
REFUSED = "not sent: no connection: Connection refused"
TIMED_OUT = "not sent: connecting timed out"
FELT = "SELECT count(*) AS times FROM outbox_attempt"
FAILED = """SELECT person_id FROM attendance JOIN outbox ON subject_id = CAST(attendance.id AS TEXT)
    WHERE status = 'failed'"""
SECONDS_BEYOND_THE_DEADLINE = 1.0
LONGEST_WAIT = 90.0

SWALLOWED: dict[str, dict[str, Any]] = {
    "no answer": {
        "kind": "delay",
        "delay_seconds": SECONDS_BEYOND_THE_DEADLINE,
        "delivered": False,
    },
    "a reset before the message": {"kind": "drop"},
}
SHOWN: dict[str, dict[str, Any]] = {
    "an answer too late": {"kind": "delay", "delay_seconds": SECONDS_BEYOND_THE_DEADLINE},
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
    away(rig, nullcontext, REFUSED)


def swallow(rig: Rig) -> None:
    """A black hole for a while: what is to connect is neither accepted nor refused."""
    away(rig, lambda: full_listener(rig.sandbox.port), TIMED_OUT)


def away(rig: Rig, instead: Callable[[], AbstractContextManager[None]], error: str) -> None:
    """Again where nobody has felt it, since those who were cut off had kept all others back."""
    before = times_felt(rig, error)
    while times_felt(rig, error) == before:
        wait_for_arrivals(rig, 8)
        rig.sandbox.stop()
        with instead():
            time.sleep(1)
        rig.sandbox.start()


def times_felt(rig: Rig, error: str) -> int:
    return int(rig.service.rows(f"{FELT} WHERE error = '{error}'")[0]["times"])


@contextmanager
def full_listener(port: int) -> Iterator[None]:
    """One that takes nobody any more."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen(0)
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)  # noqa: FBT003
            waiting.connect_ex(listener.getsockname())
        yield


def meeting(fault: dict[str, Any]) -> Strike:
    return lambda rig: meet(rig, fault)


LOSING: dict[str, Strike] = {
    "refused": refuse,
    "a black hole": swallow,
    **{name: meeting(fault) for name, fault in SWALLOWED.items()},
}
REPEATING: dict[str, Strike] = {name: meeting(fault) for name, fault in SHOWN.items()}


def test_no_trouble_of_the_network_loses_a_message(make_rig: Make) -> None:
    rig = make_rig()
    with rig.load():
        for _ in range(ROUNDS):
            for strike in (*REPEATING.values(), *LOSING.values()):
                strike(rig)
    verdict = rig.verdict()
    assert verdict.is_valid, verdict
    assert verdict.explained, verdict
    assert rig.ledger.count(503) == rig.ledger.count(None) == 0  # the clients notice nothing


def struck(rig: Rig, strikes: dict[str, Strike], faulty: Callable[[Rig], set[str]]) -> Found:
    """Those who became faulty with each kind of trouble."""
    found: Found = {}
    with rig.load():
        for name, strike in strikes.items():
            before = faulty(rig)
            strike(rig)
            until(lambda known=before: faulty(rig) > known, f"{name} is felt")  # type: ignore[misc]
            found[name] = faulty(rig) - before
    return found


def repeated(rig: Rig) -> set[str]:
    times = Counter(arrival.person for arrival in arrivals(rig.sandbox.messages()))
    return {person for person, count in times.items() if count > 1}


def given_up(rig: Rig) -> set[str]:
    """But for those who were shown all the same: their answer was cut off."""
    shown = {arrival.person for arrival in arrivals(rig.sandbox.messages())}
    return {str(row["person_id"]) for row in rig.service.rows(FAILED)} - shown


def test_control_without_another_try_each_of_them_loses_messages(make_rig: Make) -> None:
    rig = make_rig("without-another-try")
    found = struck(rig, LOSING, given_up)
    verdict = rig.verdict()
    assert {name for name, people in found.items() if not people <= verdict.lost} == set(), verdict


def test_control_a_repeat_of_which_nothing_is_noted_is_unexplained(make_rig: Make) -> None:
    rig = make_rig()
    rig.forget_doubts()
    found = struck(rig, REPEATING, repeated)
    unexplained = rig.verdict().unexplained
    assert {name for name, people in found.items() if not people <= unexplained} == set()
