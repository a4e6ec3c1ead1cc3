"""One of several hosts is killed with all its processes, or stands still until its leases are over.

The others take over what it had under way; what it does when it goes on comes too late, and is
written down as such. Controls: an answer that does not wait for the commit is lost with its host;
without a note of the doubts, by the same hosts, what is shown twice is unexplained.
"""

import signal
import time
from collections.abc import Callable

from checker import Verdict
from hosts import Host, Hosts
from rig import ROUNDS, until

Make = Callable[..., Hosts]
IN_FLIGHT = "SELECT id, claimed_by FROM outbox WHERE status = 'sending' AND lane = '2000'"
STATUS = "SELECT status FROM outbox WHERE id = {}"
LATE = "SELECT count(*) FROM outbox_attempt WHERE outcome = 'late'"


def kill_two(hosts: Hosts) -> Verdict:
    """One that serves, and the one that only delivers."""
    with hosts.load():
        for host in hosts.all[1:] * ROUNDS:
            hosts.wait_for_acknowledged(20)
            host.kill()
            hosts.wait_for_acknowledged(20)
            host.start()
    return hosts.verdict()


def test_a_host_that_is_killed_loses_nothing(make_hosts: Make) -> None:
    verdict = kill_two(make_hosts())
    assert verdict.is_valid, verdict
    assert verdict.recovered, verdict


def test_control_an_answer_before_the_commit_is_lost_with_its_host(make_hosts: Make) -> None:
    hosts = make_hosts("without-answer-after-commit", commands=("serve", "serve"))
    with hosts.load():
        hosts.wait_for_acknowledged(20)
        hosts.all[0].kill()
        hosts.wait_for_acknowledged(20)
    time.sleep(1.0)  # what the other has answered is recorded by then
    verdict = hosts.verdict()
    assert set() < verdict.lost < verdict.acknowledged, verdict


def stall_one(hosts: Hosts) -> None:
    """A host that waits for Telegram's answer, until another has delivered its message; then let
    it go on, and settle too late."""
    host, message = stop_one_in_flight(hosts)
    try:
        hosts.until(
            lambda: hosts.rows(STATUS.format(message)) == [("sent",)], "another takes it over"
        )
    finally:
        host.signal(signal.SIGCONT)
    time.sleep(0.5)


def stop_one_in_flight(hosts: Hosts) -> tuple[Host, int]:
    """The stopped host, and the message that it had under way."""
    while True:
        hosts.sandbox.fault("delay", chat_id="2000", delay_seconds=0.4)
        until(lambda: hosts.sandbox.faults.waiting() == [], "a request meets the fault")
        claims = hosts.rows(IN_FLIGHT)
        host = next((host for host in hosts.all if claims and is_of(claims[0][1], host)), None)
        if host is None:
            continue  # it had its answer meanwhile
        hosts.stop(host)
        if claims == hosts.rows(IN_FLIGHT):
            return host, claims[0][0]
        host.signal(signal.SIGCONT)


def is_of(claimer: str, host: Host) -> bool:
    return int(claimer.rpartition("-")[2]) in host.pids()


def stalled(hosts: Hosts) -> Verdict:
    with hosts.load():
        for _ in range(ROUNDS):
            hosts.wait_for_acknowledged(20)
            stall_one(hosts)
    return hosts.verdict()


def test_a_host_that_stands_still_comes_late_and_without_a_note_of_it_is_unexplained(
    make_hosts: Make,
) -> None:
    hosts = make_hosts()
    verdict = stalled(hosts)
    assert verdict.is_valid, verdict
    assert verdict.explained, verdict
    assert hosts.rows(LATE)[0][0] >= ROUNDS
    hosts.forget_doubts()
    assert stalled(hosts).unexplained
