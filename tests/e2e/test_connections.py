"""What clients may do with their connections, and what they get."""

import json
import socket
from collections.abc import Callable
from contextlib import ExitStack

import pytest
import requests
from service import Service

Make = Callable[..., Service]
THREADS = 8
GET = b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n"
SOON = 10.0


@pytest.fixture
def service(make_service: Make) -> Service:
    return make_service(WEB_CONCURRENCY="1")


def connected(service: Service) -> socket.socket:
    host, _, port = service.url.removeprefix("http://").partition(":")
    return socket.create_connection((host, int(port)), timeout=SOON)


def until(client: socket.socket, words: bytes, times: int = 1) -> bytes:
    """What was received by when it has the words so often."""
    received = b""
    while received.count(words) < times:
        piece = client.recv(65536)
        assert piece, received
        received += piece
    return received


def test_requests_that_come_together_are_answered_one_after_the_other(service: Service) -> None:
    with connected(service) as client:
        client.sendall(2 * GET + GET[:10])
        until(client, b'{"status":"ok"}', times=2)
        client.sendall(GET[10:])
        until(client, b'{"status":"ok"}')


@pytest.mark.parametrize(
    "begun", [GET[:20], b"POST /attendance HTTP/1.1\r\nContent-Length: 99\r\n\r\n{"]
)
def test_requests_that_never_end_cost_no_thread(begun: bytes, service: Service) -> None:
    with ExitStack() as stack:
        for _ in range(2 * THREADS):
            stack.enter_context(connected(service)).sendall(begun)
        assert requests.get(f"{service.url}/livez", timeout=SOON).status_code == 200


def test_a_client_that_waits_to_be_asked_for_its_body_is_asked(service: Service) -> None:
    with connected(service) as client:
        client.sendall(
            b"POST /attendance HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
            b"Content-Length: 2\r\n\r\n"
        )
        until(client, b"100 Continue")
        client.sendall(b"{}")
        until(client, b"401 UNAUTHORIZED")


def test_a_body_in_chunks_that_does_not_end_holds_no_thread(service: Service) -> None:
    """It is refused for its missing length, and the connection ends: nobody waits for the rest."""
    with connected(service) as client:
        client.sendall(
            b"POST /attendance HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab"
        )
        until(client, b"HTTP/1.1 4")
        while client.recv(65536):
            pass


def test_a_request_that_does_not_arrive_in_time_is_told_so(service: Service) -> None:
    with connected(service) as client:
        client.settimeout(60)
        client.sendall(GET[:20])
        head, _, body = until(client, b"}").partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 408 ")
    assert b"application/problem+json" in head
    assert json.loads(body)["code"] == "request_timeout"


def test_a_head_without_end_is_refused(service: Service) -> None:
    with connected(service) as client:
        client.sendall(b"GET / HTTP/1.1\r\n" + b"X-Long: " + bytes(b"x" * 200_000))
        until(client, b"HTTP/1.1 431 ")


def test_where_there_are_as_many_as_may_be_the_longest_silent_one_makes_room(
    make_service: Make,
) -> None:
    service = make_service(WEB_CONCURRENCY="1", GUNICORN_CMD_ARGS="--worker-connections 20")
    with ExitStack() as stack:
        silent = [stack.enter_context(connected(service)) for _ in range(40)]
        assert requests.get(f"{service.url}/livez", timeout=SOON).status_code == 200
        assert silent[0].recv(1) == b""
        silent[-1].sendall(GET)
        until(silent[-1], b"200 OK")
