"""What a fresh pair of eyes broke: each stays mended."""

import http.client
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
import requests
from service import Client, Service

from attendance.sandbox import Sandbox

Make = Callable[..., Service]
MakeClient = Callable[..., Client]
UNCONFIGURED = {"TELEGRAM_BOT_TOKEN": "", "TELEGRAM_CHAT_ID": ""}


def test_messages_of_an_unconfigured_service_are_taken_up_by_a_dispatcher_beside_it(
    sandbox: Sandbox, make_service: Make, make_client: MakeClient
) -> None:
    service = make_service(**UNCONFIGURED, DISPATCHER="off")
    configured = {
        **service.environment,
        "TELEGRAM_BOT_TOKEN": sandbox.token,
        "TELEGRAM_CHAT_ID": "1000",
    }
    with Service(service.database.parent, command=("dispatch",), **configured):
        time.sleep(1)  # it has looked for what waits, and found nothing
        make_client(service).post("ada")
        assert sandbox.wait_for(1, timeout_seconds=15)


def test_a_dispatcher_that_is_refused_leaves_no_trace(make_service: Make) -> None:
    service = make_service()
    unconfigured = {**service.environment, **UNCONFIGURED}
    refused = Service(service.database.parent, command=("dispatch",), **unconfigured).start()
    assert refused.process.wait(20) == 1
    assert service.rows("SELECT * FROM outbox_stoppage") == []


def test_the_sandbox_does_not_swallow_what_waits_for_a_real_chat(
    make_service: Make, make_client: MakeClient
) -> None:
    service = make_service(**UNCONFIGURED)
    make_client(service).post("ada")
    service.stop()
    refused = service.manage("serve", "--sandbox")
    assert refused.returncode == 1
    assert "1 messages for other chats wait" in refused.stderr
    assert [row["status"] for row in service.rows("SELECT status FROM outbox")] == ["pending"]


def test_a_misspelt_setting_is_told_once_at_the_start(make_service: Make) -> None:
    service = make_service(OUTBOX_POL_SECONDS="4711")
    warnings = [line["message"] for line in service.log_lines() if line["level"] == "warning"]
    assert warnings == ["OUTBOX_POL_SECONDS is no setting: write OUTBOX_POLL_SECONDS, or unset it."]
    assert "4711" not in service.log.read_text()


def test_a_connection_that_proxies_keep_is_kept(make_service: Make) -> None:
    """One that was let go while a request was on the way takes the request with it."""
    host, _, port = make_service().url.removeprefix("http://").partition(":")
    with closing(http.client.HTTPConnection(host, int(port), timeout=10)) as connection:
        connection.connect()
        connection.auto_open = 0  # else a new one would hide that it is gone
        for _ in range(2):
            connection.request("GET", "/livez")
            assert connection.getresponse().read()
            time.sleep(3)  # gunicorn's own is 2


def test_a_client_that_says_nothing_delays_no_stop(make_service: Make) -> None:
    """gunicorn sets one aside after five seconds, and at the stop waits for it as for a request:
    its `graceful_timeout`, here 24 seconds."""
    service = make_service(WEB_CONCURRENCY="1", TELEGRAM_TIMEOUT="1,14")
    host, _, port = service.url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port))):
        time.sleep(6)
        began = time.monotonic()
        service.stop()
    assert time.monotonic() - began < 12


def test_clients_that_stall_in_the_middle_of_a_request_are_cut_off(make_service: Make) -> None:
    service = make_service(WEB_CONCURRENCY="1")
    host, _, port = service.url.removeprefix("http://").partition(":")
    with ExitStack() as stack:
        for _ in range(8):  # as many as there are threads
            stalled = stack.enter_context(socket.create_connection((host, int(port))))
            stalled.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n")
        answer = requests.get(f"{service.url}/livez", timeout=90)
    assert answer.status_code == 200
    assert "Traceback" not in service.log.read_text()


def test_an_upgrade_by_usr2_starts_a_second_master(make_service: Make) -> None:
    service = make_service(WEB_CONCURRENCY="1")
    os.kill(service.process.pid, signal.SIGUSR2)
    wait_for_log(service, "Master.2", "Booting worker", times=2)
    assert requests.get(f"{service.url}/readyz", timeout=10).status_code == 200


def wait_for_log(service: Service, *words: str, times: int) -> None:
    deadline = time.monotonic() + 20
    while service.log.read_text().count(words[-1]) < times:
        assert time.monotonic() < deadline, service.log.read_text()
        time.sleep(0.1)


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MB."""
    place = tmp_path / "tiny"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(place)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode != 0:
        pytest.skip("mounting a small file system needs root")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def test_on_a_full_disk_nothing_is_acknowledged_and_readyz_says_so_until_there_is_space(
    tiny_disk: Path, make_client: MakeClient
) -> None:
    with Service(tiny_disk, command=("serve",), **UNCONFIGURED) as service:
        client = make_client(service)
        filler = tiny_disk / "filler"
        fill(filler)
        answers = [client.post(f"p{number}", note="x" * 900) for number in range(40)]
        acknowledged = sum(answer.status_code == 201 for answer in answers)
        assert {answer.status_code for answer in answers} <= {201, 503}
        assert answers[-1].status_code == 503
        assert answers[-1].headers["Retry-After"]
        assert requests.get(f"{service.url}/readyz", timeout=10).status_code == 503
        filler.unlink()
        assert requests.get(f"{service.url}/readyz", timeout=10).status_code == 200
        assert client.post("after").status_code == 201
        rows = service.rows(
            "SELECT (SELECT count(*) FROM attendance) AS records,"
            " (SELECT count(*) FROM outbox) AS messages,"
            " (SELECT count(*) FROM audit WHERE action = 'attendance.recorded'"
            "   AND outcome = 'success') AS audited"
        )[0]
    assert set(rows.values()) == {acknowledged + 1}


def fill(filler: Path) -> None:
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"\0" * 4096)
        except OSError:
            return
