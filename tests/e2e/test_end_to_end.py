"""From a POST to a Telegram message, through real gunicorn workers."""

import socket
import statistics
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from service import NO_LIMITS, Client, Service

from attendance.sandbox import Sandbox

POSTS = 30
TWINS = 20


def test_thirty_posts_at_once_are_recorded_delivered_and_audited_exactly_once(
    sandbox: Sandbox,
    make_service: Callable[..., Service],
    capsys: pytest.CaptureFixture[str],
) -> None:
    service = make_service(WEB_CONCURRENCY="2", **NO_LIMITS)
    key = service.make_key("frontend")
    barrier = threading.Barrier(POSTS)

    def post(number: int) -> float:
        with Client(service, key) as client:
            barrier.wait()
            assert client.post(f"person-{number}").status_code == 201
            return time.monotonic()

    with ThreadPoolExecutor(POSTS) as pool:
        answered_at = list(pool.map(post, range(POSTS)))
    sandbox.wait_for(POSTS, timeout_seconds=30)
    service.wait_until("SELECT count(*) FROM outbox WHERE status = 'sent'", POSTS)

    arrived_at = {
        word: m for m in sandbox.messages() for word in m.text.split() if "person-" in word
    }
    assert len(arrived_at) == len(sandbox.messages()) == POSTS
    assert_each_row_has_its_message_and_audit_entry(service, sandbox)
    waits = [
        arrived_at[f"person-{number}"].arrived_monotonic - at
        for number, at in enumerate(answered_at)
    ]
    with capsys.disabled():
        p50, p95 = statistics.median(waits), statistics.quantiles(waits, n=20)[-1]
        print(f"\n201 to arrival, {POSTS} at once: p50 {p50 * 1e3:.0f} ms, p95 {p95 * 1e3:.0f} ms")


def assert_each_row_has_its_message_and_audit_entry(service: Service, sandbox: Sandbox) -> None:
    rows = service.rows(
        """SELECT a.id, o.id AS message, o.attempts, o.telegram_message_id,
                  (SELECT count(*) FROM audit WHERE target_type = 'attendance'
                     AND target_id = a.id AND action = 'attendance.recorded') AS recorded,
                  (SELECT count(*) FROM audit WHERE target_type = 'outbox'
                     AND target_id = o.id AND outcome = 'delivered') AS delivered
           FROM attendance a LEFT JOIN outbox o
             ON o.subject_type = 'attendance' AND o.subject_id = a.id"""
    )
    assert len(rows) == POSTS
    assert all((row["recorded"], row["delivered"], row["attempts"]) == (1, 1, 1) for row in rows)
    by_id = {message.id: message for message in sandbox.messages()}
    assert all(f"#{row['message']}" in by_id[row["telegram_message_id"]].text for row in rows)


def test_messages_arrive_in_the_order_in_which_they_were_recorded(
    sandbox: Sandbox, make_service: Callable[..., Service], make_client: Callable[..., Client]
) -> None:
    service = make_service(**NO_LIMITS)
    with ThreadPoolExecutor(8) as pool:
        client = make_client(service)
        list(pool.map(lambda number: client.post(f"p{number}"), range(24)))
    arrived = [int(m.text.rpartition("#")[2]) for m in sandbox.wait_for(24, timeout_seconds=30)]
    assert arrived == sorted(arrived)


def test_a_message_leaves_at_once_and_does_not_wait_for_the_poll(
    sandbox: Sandbox, make_service: Callable[..., Service], make_client: Callable[..., Client]
) -> None:
    service = make_service(WEB_CONCURRENCY="1", OUTBOX_POLL_SECONDS="30")
    client = make_client(service)
    time.sleep(1)  # the dispatcher is in its long wait by now
    client.post("ada")
    assert sandbox.wait_for(1, timeout_seconds=10)


def test_what_another_process_wrote_is_found_by_the_poll(
    sandbox: Sandbox, make_service: Callable[..., Service], make_client: Callable[..., Client]
) -> None:
    """The control of the test before: without the wake-up the poll is what is left."""
    service = make_service(DISPATCHER="off")
    make_client(service).post("ada")
    time.sleep(1)
    assert sandbox.messages() == []
    with Service(service.database.parent, command=("dispatch",), **service.environment):
        assert sandbox.wait_for(1, timeout_seconds=15)


def test_twenty_twins_with_one_idempotency_key_are_one_record_and_twenty_equal_answers(
    sandbox: Sandbox, make_service: Callable[..., Service]
) -> None:
    service = make_service()
    key = service.make_key("frontend")
    barrier = threading.Barrier(TWINS)

    def post(_: int) -> tuple[int, str, str | None]:
        with Client(service, key) as client:
            barrier.wait()
            answer = client.post("ada", headers={"Idempotency-Key": "twin-1"})
            return answer.status_code, answer.text, answer.headers.get("Idempotent-Replayed")

    with ThreadPoolExecutor(TWINS) as pool:
        answers = list(pool.map(post, range(TWINS)))
    assert {(status, text) for status, text, _ in answers} == {(201, answers[0][1])}
    assert Counter(replayed for *_, replayed in answers) == {None: 1, "true": TWINS - 1}
    assert len(service.rows("SELECT id FROM attendance")) == 1
    assert len(sandbox.wait_for(1)) == 1


def test_malformed_http_is_answered_in_json_by_gunicorn_itself(
    make_service: Callable[..., Service],
) -> None:
    service = make_service()
    for request in (
        b"GET / HTTP/9.9\r\n\r\n",
        b"BAD\r\n\r\n",
        b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n\r\n",
    ):
        answer = raw_exchange(service, request)
        head, _, body = answer.partition(b"\r\n\r\n")
        assert b"application/problem+json" in head, answer
        assert body.startswith(b"{"), answer
        assert b"X-Request-Id" in head


def raw_exchange(service: Service, request: bytes) -> bytes:
    host, _, port = service.url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(request)
        received = b""
        while chunk := connection.recv(65536):
            received += chunk
        return received


def test_without_a_token_messages_wait_and_go_out_once_there_is_one(
    sandbox: Sandbox, make_service: Callable[..., Service], make_client: Callable[..., Client]
) -> None:
    service = make_service(TELEGRAM_BOT_TOKEN="", TELEGRAM_CHAT_ID="")
    answer = make_client(service).post("ada")
    assert answer.status_code == 201
    assert answer.json()["notifications"] == [{"id": 1, "chat_id": None, "status": "pending"}]
    warnings = [line for line in service.log_lines() if "TELEGRAM_BOT_TOKEN" in line["message"]]
    assert len(warnings) == 1
    service.stop()
    make_service()
    assert "ada" in sandbox.wait_for(1, timeout_seconds=15)[0].text


def test_a_bot_that_was_refused_goes_on_after_a_restart_with_nothing_lost_or_counted(
    sandbox: Sandbox, make_service: Callable[..., Service], make_client: Callable[..., Client]
) -> None:
    service = make_service(TELEGRAM_BOT_TOKEN="123456:" + "x" * 35)
    client = make_client(service)
    for number in range(3):
        client.post(f"p{number}")
    service.wait_until("SELECT count(*) FROM outbox_stoppage WHERE ended_at IS NULL", 1)
    assert [row["status"] for row in service.rows("SELECT status FROM outbox")] == ["pending"] * 3
    service.stop()
    healed = make_service(**NO_LIMITS)
    sandbox.wait_for(3, timeout_seconds=15)
    healed.wait_until("SELECT count(*) FROM outbox WHERE status = 'sent' AND attempts = 1", 3)
