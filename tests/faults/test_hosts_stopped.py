"""A process gets SIGSTOP, or SIGTERM, inside an open transaction on PostgreSQL: as it is about to
commit a record, a claim, or a settlement.

The server ends the transaction of one that stands still, so that the others go on with what it had
locked, and once its leases are over with what it had under way. One that is to stop commits first.
Nothing is lost. Control: a transaction that may stand still for ever holds up everybody.
"""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from hosts import Hosts
from rig import CHATS, ROUNDS, until

Make = Callable[..., Hosts]
POINTS = ("before-record-commit", "before-claim-commit", "before-settlement-commit")
# A rate over all chats, which nobody reaches: starts are planned by one host after the other.
PACED = {"OUTBOX_RATE_OVERALL": "1000/1s"}
CONTROL_SECONDS = 3.0


def test_a_stop_inside_a_transaction_holds_nobody_up_for_long(make_hosts: Make) -> None:
    hosts = make_hosts("kill-points", "with-a-soon-end-of-stalled-transactions", **PACED)
    with hosts.load():
        for point in POINTS * ROUNDS:
            hosts.wait_for_acknowledged(10)
            ended = transactions_ended(hosts)
            with one_stopped_at(hosts, point):
                until(partial(more_ended, hosts, ended), "the server has ended its transaction")
                assert goes_on(hosts, within_seconds=30.0)
        for _ in range(ROUNDS):
            hosts.wait_for_acknowledged(10)
            terminate_some(hosts)
        hosts.wait_for_acknowledged(10)
    verdict = hosts.verdict()
    assert verdict.is_valid, verdict


def test_control_a_transaction_that_may_stand_still_holds_everybody_up(make_hosts: Make) -> None:
    inside = ("kill-points", "without-end-of-stalled-transactions")
    hosts = make_hosts(*inside, commands=("serve", "serve"), **PACED)
    ended = transactions_ended(hosts)
    with hosts.load():
        hosts.wait_for_acknowledged(10)
        with one_stopped_at(hosts, "before-claim-commit"):
            assert not goes_on(hosts, CONTROL_SECONDS)
            hosts.wait_for_acknowledged(10)  # there is something to tell
    assert not more_ended(hosts, ended)


@contextmanager
def one_stopped_at(hosts: Hosts, point: str) -> Iterator[None]:
    """A process that delivers stands still meanwhile, with a transaction open."""
    hosts.strike_at(signal.SIGSTOP, point)
    until(lambda: any(map(has_stopped, hosts.pids())), "it stops")
    try:
        yield
    finally:
        for pid in filter(has_stopped, hosts.pids()):
            os.kill(pid, signal.SIGCONT)


def has_stopped(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


def transactions_ended(hosts: Hosts) -> int:
    """How many the server has ended since nothing happened in them."""
    return (hosts.server.place / "log").read_text().count("idle-in-transaction timeout")


def more_ended(hosts: Hosts, than: int) -> bool:
    return transactions_ended(hosts) > than


def goes_on(hosts: Hosts, within_seconds: float) -> bool:
    """Whether each chat is told something new."""
    shown, deadline = len(hosts.sandbox.messages()), time.monotonic() + within_seconds
    while time.monotonic() < deadline:
        if len({message.chat_id for message in hosts.sandbox.messages()[shown:]}) == len(CHATS):
            return True
        time.sleep(0.02)
    return False


def terminate_some(hosts: Hosts) -> None:
    """gunicorn puts another worker in the place of one that has ended; `dispatch` is started."""
    before, dispatch = hosts.pids(), hosts.all[-1]
    hosts.strike_at(signal.SIGTERM, *POINTS)
    until(lambda: not before <= hosts.pids(), "one has ended")
    if dispatch.has_ended:
        assert dispatch.process.returncode == 0
        dispatch.start()
