"""Two gunicorn masters and one `dispatch` on one PostgreSQL, under load, while the sandbox enforces
Telegram's limits: nothing is lost, nothing is sent twice, the order within each chat is kept, and
all hosts share one pace, which they use and never overstep.

Controls: hosts that each have a pace of their own earn 429s; where the youngest message of a chat
is claimed first, the checker finds those that it has passed.
"""

from collections.abc import Callable

import pytest
from hosts import PATIENT, Hosts
from rig import ROUNDS, until
from shared_seed import MANY

from attendance.sandbox import Request

Make = Callable[..., Hosts]
PACED = {
    **PATIENT,
    "OUTBOX_RATE_OVERALL": "30/1s",
    "OUTBOX_RATE_CHAT": "1/1s",
    "OUTBOX_DIGEST": "off",  # a request for each message
}
PEOPLE = 300
"""Ten seconds of requests: of five, a last chat that waits for its own second would be a fifth."""

LEAST_SHARE = 0.8
TRIES = 3


@pytest.mark.calm
def test_hosts_together_share_one_pace_and_lose_nothing(make_hosts: Make) -> None:
    hosts = make_hosts(WEB_CONCURRENCY="2", **PACED)
    hosts.sandbox.fault("delay", delay_seconds=0.1, times=None)
    used_well = any(uses_the_pace_well(hosts) for _ in range(TRIES))
    verdict = hosts.verdict()
    assert verdict.is_valid, verdict
    assert not verdict.explained, verdict
    assert hosts.ledger.count(201) == len(verdict.attempted)
    assert used_well, f"not once at {LEAST_SHARE:.0%} of the permitted rate without a 429"
    claimers = hosts.rows("SELECT DISTINCT claimed_by FROM outbox_attempt")
    pids = {int(name.rpartition("-")[2]) for (name,) in claimers}
    assert all(pids & set(host.pids()) for host in hosts.all), "each has had its share"


def uses_the_pace_well(hosts: Hosts) -> bool:
    """A machine that is busy with something else delays requests on their way, after they were
    sent in time: such a try counts for nothing."""
    before = len(sent(hosts))
    load_at_the_limits(hosts, PEOPLE * ROUNDS)
    hosts.drain()
    requests = sent(hosts)[before:]
    starts = sorted(request.started_monotonic for request in requests)
    least = (len(starts) - 1) // 30 * 1.0  # 30 at once, and again each second
    share, refused = least / (starts[-1] - starts[0]), refusals(requests)
    print(f"{len(starts)} requests: {share:.1%} of the permitted rate, {refused} 429")
    return share >= LEAST_SHARE and not refused


def load_at_the_limits(hosts: Hosts, people: int, clients: int = 4) -> None:
    hosts.sandbox.set_limits(overall=(30, 1.0), chat=(1, 1.0), group=(20, 60.0))
    with hosts.load(clients=clients, sites=tuple(MANY), pause_seconds=0.01):
        hosts.wait_for_acknowledged(people)


def sent(hosts: Hosts) -> list[Request]:
    return [request for request in hosts.sandbox.requests if request.method == "sendMessage"]


def refusals(requests: list[Request]) -> int:
    return sum(request.status == 429 for request in requests)


def test_control_hosts_with_a_pace_of_their_own_overstep_it_together(make_hosts: Make) -> None:
    hosts = make_hosts("without-a-shared-pace", commands=("serve", "dispatch"), **PACED)
    load_at_the_limits(hosts, PEOPLE, clients=8)
    until(lambda: refusals(sent(hosts)) > 0, "a 429")


def test_control_the_youngest_first_passes_those_who_were_told_of_before(make_hosts: Make) -> None:
    hosts = make_hosts("without-order-of-ids", commands=("serve", "dispatch"), **PATIENT)
    hosts.sandbox.fault("delay", delay_seconds=0.2, times=None)
    with hosts.load():
        hosts.wait_for_acknowledged(30)
    assert hosts.verdict().disordered
