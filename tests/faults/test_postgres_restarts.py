"""The PostgreSQL server is restarted, crashes, and cuts its connections, under load.

The hosts come back by themselves, and every check-in that was acknowledged is there; meanwhile a
client is told 503 at worst. Controls: with `synchronous_commit` off a crash loses what was
acknowledged; whoever takes a commit without an answer for a success loses some of them.
"""

import signal
import time
from collections.abc import Callable

import pytest
from hosts import Hosts
from rig import ROUNDS

Make = Callable[..., Hosts]
FAST, IMMEDIATE = signal.SIGINT, signal.SIGQUIT
CUTS, CUTS_OF_CONTROL, CRASHES_AT_MOST = 20, 40, 5
CUT_EVERY_SECONDS = 0.1


def test_a_server_that_is_restarted_or_crashes_loses_nothing(make_hosts: Make) -> None:
    hosts = make_hosts()
    with hosts.load():
        for how in (FAST, IMMEDIATE) * ROUNDS:
            hosts.wait_for_acknowledged(30)
            hosts.server.restart(how)
        hosts.wait_for_acknowledged(30)
    assert_valid(hosts)


def test_connections_that_are_cut_again_and_again_lose_nothing(make_hosts: Make) -> None:
    hosts = make_hosts()
    with hosts.load():
        cut(hosts, CUTS * ROUNDS)
        hosts.wait_for_acknowledged(30)
    assert_valid(hosts)


def cut(hosts: Hosts, times: int) -> None:
    for _ in range(times):
        hosts.cut_connections()
        time.sleep(CUT_EVERY_SECONDS)


def assert_valid(hosts: Hosts) -> None:
    verdict = hosts.verdict()
    assert verdict.is_valid, verdict
    assert {attempt.status for attempt in hosts.ledger.attempts} <= {200, 201, 503}


def test_control_without_synchronous_commit_a_crash_loses_what_was_acknowledged(
    make_hosts: Make,
) -> None:
    hosts = make_hosts("without-synchronous-commit")
    hosts.rows(f"ALTER DATABASE {hosts.database} SET synchronous_commit = off")
    hosts.cut_connections()
    for _ in range(CRASHES_AT_MOST):
        with hosts.load():
            hosts.wait_for_acknowledged(30)
            hosts.server.restart(IMMEDIATE)
        if hosts.verdict().lost:
            return
    pytest.fail(f"{CRASHES_AT_MOST} crashes lost nothing")


def test_control_a_commit_whose_answer_was_lost_may_not_have_been_written(
    make_hosts: Make,
) -> None:
    hosts = make_hosts("without-word-of-a-lost-commit")
    with hosts.load():
        cut(hosts, CUTS_OF_CONTROL)
    assert hosts.verdict().lost
