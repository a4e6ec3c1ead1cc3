"""A worker that is stopped in the middle of a delivery, and goes on after its lease.

Another takes the message over; the stalled one's attempt is kept as late. Both are written down,
so that a message that people see twice is explained. Control: without those notes it is not.
"""

import fcntl
import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TextIO

from checker import Verdict
from rig import ROUNDS, Rig, until

Make = Callable[..., Rig]
CHAT = "2000"
IN_FLIGHT = "SELECT id, claimed_by FROM outbox WHERE status = 'sending' AND lane = '2000'"
LATE = "SELECT count(*) AS late FROM outbox_attempt WHERE outcome = 'late'"


def stall_a_worker(rig: Rig) -> None:
    """Stop a worker that waits for Telegram's answer, until somebody else has delivered its
    message; then let it go on, and settle too late."""
    pid, message = stop_one_in_flight(rig)
    try:
        until(lambda: status_of(rig, message) == "sent", "another takes it over")
    finally:
        os.kill(pid, signal.SIGCONT)
    time.sleep(0.5)


def stop_one_in_flight(rig: Rig) -> tuple[int, int]:
    """The stopped process, and the message that it had under way."""
    while True:
        rig.sandbox.fault("delay", chat_id=CHAT, delay_seconds=0.4)
        until(lambda: rig.sandbox.faults.waiting() == [], "a request meets the fault")
        claim = rig.service.rows(IN_FLIGHT)[0]
        pid = int(claim["claimed_by"].rpartition("-")[2])
        stop_outside_a_transaction(rig, pid)
        if claim in rig.service.rows(IN_FLIGHT):
            return pid, claim["id"]
        os.kill(pid, signal.SIGCONT)  # it had its answer meanwhile


def status_of(rig: Rig, message: int) -> str:
    query = f"SELECT status FROM outbox WHERE id = {message}"  # noqa: S608 - a number
    return str(rig.service.rows(query)[0]["status"])


def stop_outside_a_transaction(rig: Rig, pid: int) -> None:
    """Within one it would hold the lock, and all others up, for as long as it is stopped."""
    turnstile = rig.service.database.with_name("attendance.db.turnstile")
    with turnstile.open() as file:
        while True:
            os.kill(pid, signal.SIGSTOP)
            until(lambda: has_stopped(pid), "all its threads stand still")
            if is_free(file):
                return
            os.kill(pid, signal.SIGCONT)
            time.sleep(0.001)


def has_stopped(pid: int) -> bool:
    """A thread that is in the kernel may take a lock there before it stops."""
    states = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/stat")]
    return all(state.rpartition(")")[2].split()[0] == "T" for state in states)


def is_free(turnstile: TextIO) -> bool:
    """Whether the others get their turn: nobody holds it for longer than a commit takes."""
    deadline = time.monotonic() + 0.05
    while time.monotonic() < deadline:
        with suppress(BlockingIOError):
            fcntl.flock(turnstile, fcntl.LOCK_EX | fcntl.LOCK_NB)
            fcntl.flock(turnstile, fcntl.LOCK_UN)
            return True
    return False


def stalled(rig: Rig) -> Verdict:
    with rig.load(clients=8):
        for _ in range(ROUNDS):
            rig.wait_for_acknowledged(10)
            stall_a_worker(rig)
    return rig.verdict()


def test_a_stalled_worker_comes_late_and_that_is_written_down(make_rig: Make) -> None:
    rig = make_rig()
    verdict = stalled(rig)
    assert verdict.is_valid, verdict
    assert verdict.explained, verdict
    assert rig.service.rows(LATE)[0]["late"] >= ROUNDS


def test_control_without_a_note_of_it_the_repeat_is_unexplained(make_rig: Make) -> None:
    rig = make_rig()
    rig.forget_doubts()
    assert stalled(rig).unexplained
