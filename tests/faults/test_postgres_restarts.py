"""The PostgreSQL server is restarted, crashes, and cuts its connections, under load.

The hosts come back by themselves, and every check-in that was acknowledged is there; meanwhile a
client is told 503 at worst. Controls: with `synchronous_commit` off a crash loses what was
acknowledged; whoever takes a commit without an answer for a success loses some of them.
"""

import signal
import time
from collections.abc import Callable
from functools import partial

import pytest
from hosts import Hosts
from rig import ROUNDS, until

Make = Callable[..., Hosts]
FAST, IMMEDIATE = signal.SIGINT, signal.SIGQUIT
CUTS, CUT_EVERY_SECONDS, CRASHES_AT_MOST = 10, 0.1, 5


def test_a_server_that_is_restarted_or_crashes_or_cuts_its_connections_loses_nothing(
    make_hosts: Make,
) -> None:
    hosts = make_hosts()
    with hosts.load():
        for how in (FAST, IMMEDIATE) * ROUNDS:
            hosts.wait_for_acknowledged(30)
            hosts.server.restart(how)
        hosts.wait_for_acknowledged(30)
        for _ in range(CUTS * ROUNDS):
            hosts.cut_connections()
            time.sleep(CUT_EVERY_SECONDS)
        hosts.wait_for_acknowledged(30)
    verdict = hosts.verdict()
    assert verdict.is_valid, verdict
    assert not [one for one in hosts.ledger.attempts if one.status not in {200, 201, 503}]


def test_control_without_synchronous_commit_a_crash_loses_what_was_acknowledged(
    make_hosts: Make,
) -> None:
    hosts = make_hosts("without-synchronous-commit", commands=("serve",))
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
    hosts = make_hosts("without-word-of-a-lost-commit", commands=("serve",))
    with hosts.load(clients=4):
        until(partial(one_more_cut_loses, hosts), "somebody is acknowledged and not recorded")
    assert hosts.verdict().lost


def one_more_cut_loses(hosts: Hosts) -> bool:
    acknowledged = {one.person for one in hosts.ledger.attempts if one.acknowledged}
    hosts.cut_connections()
    time.sleep(CUT_EVERY_SECONDS)
    recorded = {person for (person,) in hosts.rows("SELECT person_id FROM attendance")}
    return not acknowledged <= recorded
