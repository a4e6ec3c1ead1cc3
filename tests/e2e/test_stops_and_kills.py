"""What a stop, a restart and a kill leave behind: nothing lost, and twice only where that shows.

The control is the handbook's way, a thread that forgets: the same kill, and its message is gone.
"""

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import requests
from ports import free_port
from service import NO_LIMITS, Client, Service

from attendance.sandbox import Sandbox

SHORT = {
    **NO_LIMITS,
    "TELEGRAM_TIMEOUT": "1,3",
    "OUTBOX_LEASE_SECONDS": "5",
    "OUTBOX_POLL_SECONDS": "0.2",
}
Make = Callable[..., Service]
MakeClient = Callable[..., Client]


def test_a_stop_in_the_middle_of_a_slow_delivery_loses_nothing_and_sends_nothing_twice(
    sandbox: Sandbox, make_service: Make, make_client: MakeClient
) -> None:
    service = make_service(**SHORT)
    client = make_client(service)
    sandbox.fault("delay", delay_seconds=1, delivered="late")
    for number in range(3):
        assert client.post(f"p{number}").status_code == 201
    wait_for_requests(sandbox, 1)
    took = service.stop()
    assert took < 3 + 10  # the delivery's total and gunicorn's margin
    assert statuses(service) == ["sent", "pending", "pending"]
    make_service(**SHORT)
    sandbox.wait_for(3, timeout_seconds=15)
    service.wait_until("SELECT count(*) FROM outbox WHERE status = 'sent' AND attempts = 1", 3)
    assert len(sandbox.messages()) == 3


def test_a_worker_killed_in_the_middle_of_a_delivery_is_followed_by_another_after_the_lease(
    sandbox: Sandbox, make_service: Make, make_client: MakeClient
) -> None:
    service = make_service(**SHORT, WEB_CONCURRENCY="2")
    client = make_client(service)
    sandbox.fault("delay", delay_seconds=30, delivered=False)
    assert client.post("ada").status_code == 201
    wait_for_requests(sandbox, 1)
    claimed = service.rows("SELECT claimed_by FROM outbox")[0]["claimed_by"]
    os.kill(int(claimed.rpartition("-")[2]), signal.SIGKILL)
    killed_at = time.monotonic()
    message = sandbox.wait_for(1, timeout_seconds=20)[0]
    assert message.arrived_monotonic - killed_at > 3  # not before the lease was over
    assert "may be a repeat" in message.text
    service.wait_until("SELECT count(*) FROM outbox WHERE status = 'sent'", 1)
    attempts = service.rows("SELECT outcome, claimed_by FROM outbox_attempt ORDER BY id")
    assert [attempt["outcome"] for attempt in attempts] == ["uncertain", "delivered"]
    assert attempts[0]["claimed_by"] == claimed != attempts[1]["claimed_by"]


def test_everything_killed_at_once_and_started_again_delivers_what_was_acknowledged(
    sandbox: Sandbox, make_service: Make, make_client: MakeClient
) -> None:
    service = make_service(**SHORT)
    client = make_client(service)
    sandbox.fault("delay", delay_seconds=30, delivered=False)
    acknowledged = [
        client.post(f"p{number}").json()["notifications"][0]["id"] for number in range(5)
    ]
    wait_for_requests(sandbox, 1)
    service.kill()
    make_service(**SHORT)
    sandbox.wait_for(5, timeout_seconds=20)
    service.wait_until("SELECT count(*) FROM outbox WHERE status = 'sent'", 5)
    assert [row["id"] for row in service.rows("SELECT id FROM outbox")] == acknowledged
    assert len(sandbox.messages()) == 5


def test_control_the_handbooks_thread_forgets_its_message_when_it_is_killed(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    port = free_port()
    script = tmp_path / "handbook.py"
    script.write_text(HANDBOOK)
    command = [sys.executable, str(script), str(port), sandbox.url, sandbox.token]
    sandbox.fault("delay", delay_seconds=30, delivered=False)
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        assert post_until_up(port, "ada").status_code == 200
        wait_for_requests(sandbox, 1)
        process.kill()
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as restarted:
        assert post_until_up(port, "bob").status_code == 200
        assert [message.text for message in sandbox.wait_for(1)] == ["bob checked in"]
        restarted.kill()


def test_workers_that_end_after_max_requests_wait_for_a_slow_telegram(
    sandbox: Sandbox, make_service: Make, make_client: MakeClient
) -> None:
    service = make_service(**SHORT, GUNICORN_CMD_ARGS="--max-requests 4", WEB_CONCURRENCY="1")
    client = make_client(service)
    sandbox.fault("delay", delay_seconds=0.5, delivered="late", times=3)
    first = service.worker_pids()
    for number in range(10):
        post_again(client, f"p{number}")
    sandbox.wait_for(10, timeout_seconds=30)
    service.wait_until("SELECT count(*) FROM outbox WHERE status = 'sent' AND attempts = 1", 10)
    assert len(sandbox.messages()) == 10
    assert service.worker_pids() != first
    assert not [line for line in service.log_lines() if "TIMEOUT" in line["message"]]


def test_an_idle_service_stops_at_once(make_service: Make) -> None:
    """And neither at the end of its long wait, nor when its time to stop is over."""
    assert make_service(OUTBOX_POLL_SECONDS="60").stop() < 20


def test_a_preloaded_application_that_holds_a_connection_at_fork_is_refused(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    service = Service(tmp_path, GUNICORN_CMD_ARGS="--preload", TELEGRAM_API_BASE=sandbox.url)
    with pytest.raises(AssertionError, match=r"Error: --preload .* is refused"):
        service.start()
    assert service.process.wait(10) != 0


def test_the_dispatcher_runs_in_every_worker_and_never_in_the_master(make_service: Make) -> None:
    service = make_service(WEB_CONCURRENCY="2")
    workers = set(service.worker_pids())
    deadline = time.monotonic() + 10
    while (beating := dispatching(service)) != workers:
        assert time.monotonic() < deadline, (beating, workers)
        time.sleep(0.05)


def test_a_sandbox_that_serve_started_ends_with_the_service(tmp_path: Path) -> None:
    service = Service(tmp_path, command=("serve", "--sandbox"))
    with service:
        deadline = time.monotonic() + 20
        while "curl -i" not in service.log.read_text():
            assert time.monotonic() < deadline, service.log.read_text()
            time.sleep(0.05)
        children = service.worker_pids()  # the workers, and the sandbox beside them
        service.stop()
        deadline = time.monotonic() + 5
        while any(is_running(pid) for pid in children):
            assert time.monotonic() < deadline
            time.sleep(0.05)


def dispatching(service: Service) -> set[int]:
    """The processes whose dispatcher gives a sign of life."""
    files = service.database.parent.glob("attendance.db.dispatcher-*")
    return {int(path.name.rpartition("-")[2]) for path in files}


def statuses(service: Service) -> list[str]:
    return [row["status"] for row in service.rows("SELECT status FROM outbox ORDER BY id")]


def wait_for_requests(sandbox: Sandbox, count: int) -> None:
    deadline = time.monotonic() + 10
    while sum(request.method.lower() == "sendmessage" for request in sandbox.requests) < count:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def post_again(client: Client, person: str) -> None:
    """As a frontend does where the worker that it spoke to has ended."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            assert client.post(person, headers={"Idempotency-Key": person}).status_code == 201
        except requests.ConnectionError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError("the service is gone")


def post_until_up(port: int, person: str) -> requests.Response:
    deadline = time.monotonic() + 10
    while True:
        try:
            return requests.post(f"http://127.0.0.1:{port}/{person}", timeout=5)
        except requests.ConnectionError:
            assert time.monotonic() < deadline
            time.sleep(0.05)


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except FileNotFoundError:
        return False


HANDBOOK = textwrap.dedent(
    """
    import sys
    import threading

    import requests
    from flask import Flask

    port, base, token = sys.argv[1:]
    app = Flask(__name__)


    @app.post("/<person>")
    def post(person):
        message = {"chat_id": 1000, "text": f"{person} checked in"}
        url = f"{base}/bot{token}/sendMessage"
        threading.Thread(target=requests.post, args=(url,), kwargs={"json": message}).start()
        return {"status": "SUCCESS"}


    app.run(port=int(port))
    """
)
