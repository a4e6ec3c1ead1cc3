"""`db move` beside a service that nobody has stopped, and the service that goes on elsewhere."""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
from postgres_server import PostgresServer
from service import NO_LIMITS, Client, Service

from attendance.sandbox import Sandbox

WRITERS = 4


@pytest.fixture
def target(postgres: PostgresServer) -> Iterator[str]:
    """The URL of an empty database on PostgreSQL."""
    with postgres.fresh() as url:
        yield url


def _post_until(stopped: threading.Event, client: Client, name: str) -> list[requests.Response]:
    answers = [client.post(f"{name}-first")]
    while not stopped.wait(0.05):
        answers.append(client.post(f"{name}-{len(answers)}"))
    return [*answers, client.post(f"{name}-last")]


def test_what_was_answered_with_201_is_there_and_goes_out_there_in_order(
    sandbox: Sandbox,
    make_service: Callable[..., Service],
    make_client: Callable[..., Client],
    target: str,
    postgres: PostgresServer,
) -> None:
    """Writers who post all through a move: what is recorded is moved, what is not is told so."""
    service = make_service(DISPATCHER="off", **NO_LIMITS)
    client, stopped = make_client(service), threading.Event()
    first = client.post("first", headers={"Idempotency-Key": "k"}).json()
    with ThreadPoolExecutor() as pool:
        names = [f"writer{number}" for number in range(WRITERS)]
        posting = [pool.submit(_post_until, stopped, client, name) for name in names]
        moved = service.manage("db", "move", "--to", target)
        stopped.set()
        answers = [answer for one in posting for answer in one.result()]

    assert moved.returncode == 0, moved.stderr
    recorded = _recorded(answers)
    assert requests.get(f"{service.url}/readyz", timeout=5).status_code == 503
    here = service.rows("SELECT id FROM attendance ORDER BY id")
    assert [row["id"] for row in here] == [1, *recorded]
    assert _rows_there(postgres, target) == [(len(here),) * 3]
    service.kill()

    after = make_service(DATABASE_URL=target, **NO_LIMITS)
    with Client(after, client.key) as again:
        known = again.post("first", headers={"Idempotency-Key": "k"})
        new = again.post("last").json()
    assert (known.headers["Idempotent-Replayed"], known.json()) == ("true", first)
    last = recorded[-1] + 1
    assert (new["attendance"]["id"], new["notifications"][0]["id"]) == (last, last)
    messages = sandbox.wait_for(last, timeout_seconds=30)
    assert [int(m.text.rpartition("#")[2]) for m in messages] == list(range(1, last + 1))
    assert "The trail is intact." in after.manage("audit", "verify").stdout


def _recorded(answers: Sequence[requests.Response]) -> list[int]:
    """The ids of what was answered with 201. All else must have been refused with a problem."""
    assert {answer.status_code for answer in answers} == {201, 503}
    refused = next(answer for answer in answers if answer.status_code == 503)
    assert refused.headers["Content-Type"] == "application/problem+json"
    assert (refused.json()["code"], refused.headers["Retry-After"]) == ("moved", "10")
    return sorted(answer.json()["attendance"]["id"] for answer in answers if answer.ok)


def _rows_there(postgres: PostgresServer, target: str) -> list[tuple[int, ...]]:
    """How many records there are, messages, and entries of the trail."""
    recorded = "SELECT count(*) FROM audit WHERE action = 'attendance.recorded'"
    counts = ("SELECT count(*) FROM attendance", "SELECT count(*) FROM outbox", recorded)
    name = target.split("/")[3].partition("?")[0]
    return postgres.execute("SELECT " + ", ".join(f"({one})" for one in counts), name)
