"""The limit of a key holds for a whole service: all its workers count, and those that die have."""

import os
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import requests
from service import Service

from attendance.db import utc_now

DAY_S_LIMIT = "40/86400s"


def statuses(service: Service, key: str, people: range) -> list[int]:
    """What a request for each gets, each on a connection of its own, which any worker may take."""

    def ask(number: int) -> int:
        headers = {"Authorization": f"Bearer {key}", "Connection": "close"}
        body = {"person_id": f"p{number}", "event": "check_in"}
        return requests.post(
            f"{service.url}/attendance", json=body, headers=headers, timeout=30
        ).status_code

    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(ask, people))


def until_there_are(service: Service, count: int, killed: int) -> None:
    """Until so many workers are there, none of them the one that was killed."""
    deadline = time.monotonic() + 30
    while len(pids := service.worker_pids()) < count or killed in pids:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_all_workers_count_together_and_the_next_goes_on_counting(
    make_service: Callable[..., Service],
) -> None:
    service = make_service(RATE_LIMIT_KEY=DAY_S_LIMIT, WEB_CONCURRENCY="3")
    key, other = service.make_key("frontend"), service.make_key("frontend")

    today = utc_now().date()
    first = statuses(service, key, range(30))
    killed = service.worker_pids()[0]
    os.kill(killed, signal.SIGKILL)
    until_there_are(service, 3, killed)
    second = statuses(service, key, range(30, 60))

    assert first == [201] * 30
    if utc_now().date() != today:
        return  # another window: midnight came in between
    assert set(second) == {201, 429}
    # Two that come at the same moment may each see the other, and both be the one too many.
    assert 40 - 2 <= (first + second).count(201) <= 40
    assert statuses(service, other, range(60, 61)) == [201]
    [audited] = service.rows("SELECT count(*) AS count FROM attendance")
    assert audited["count"] == (first + second).count(201) + 1
