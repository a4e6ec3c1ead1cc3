"""Two gunicorn masters and one `dispatch` on one PostgreSQL, under load: nothing is lost, and
nothing is sent twice."""

from collections.abc import Callable

from hosts import Hosts
from rig import ROUNDS

Make = Callable[..., Hosts]


def test_hosts_together_lose_nothing_and_send_nothing_twice(make_hosts: Make) -> None:
    # Leases so long that none ends, however busy the machine.
    hosts = make_hosts(TELEGRAM_TIMEOUT="1,5", OUTBOX_LEASE_SECONDS="8")
    with hosts.load():
        hosts.wait_for_acknowledged(150 * ROUNDS)
    verdict = hosts.verdict()
    assert verdict.is_valid, verdict
    assert not verdict.explained, verdict
    assert hosts.ledger.count(201) == len(verdict.attempted)
    delivered = hosts.rows("SELECT DISTINCT claimed_by FROM outbox_attempt")
    pids = {int(name.rpartition("-")[2]) for (name,) in delivered}
    assert all(pids & set(host.pids()) for host in hosts.all), "each has had its share"
