"""Connections that come together are shared by the workers, so that none stands idle."""

import os
import socket
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest
from service import Service

CLIENTS = 16  # as many as two workers have threads
ROUNDS = 8


@pytest.mark.alone
def test_connections_that_come_at_once_do_not_all_go_to_one_worker(
    make_service: Callable[..., Service],
) -> None:
    """Left to themselves one of two takes nearly all in about three rounds of four."""
    service = make_service(WEB_CONCURRENCY="2")
    for _ in range(ROUNDS):
        time.sleep(0.5)  # the last ones are let go of
        before = sockets(service)
        with ExitStack() as stack:
            come_together(service, stack)
            shares = [now - was for was, now in zip(before, settled(service, before), strict=True)]
        assert sum(shares) == CLIENTS
        assert min(shares) >= CLIENTS // 4, shares


def come_together(service: Service, stack: ExitStack) -> None:
    """None waits for another, nor for an answer."""
    host, _, port = service.url.removeprefix("http://").partition(":")
    clients = [stack.enter_context(socket.socket()) for _ in range(CLIENTS)]
    for client in clients:
        client.settimeout(0)
        client.connect_ex((host, int(port)))


def settled(service: Service, before: list[int]) -> list[int]:
    """Once all that came are accepted."""
    deadline = time.monotonic() + 1.5
    while sum(now := sockets(service)) < sum(before) + CLIENTS and time.monotonic() < deadline:
        time.sleep(0.01)
    return now


def sockets(service: Service) -> list[int]:
    return [sum(map(is_socket, open_files(pid))) for pid in service.worker_pids()]


def open_files(pid: int) -> list[Path]:
    return [Path(entry.path) for entry in os.scandir(f"/proc/{pid}/fd")]


def is_socket(descriptor: Path) -> bool:
    try:
        return str(descriptor.readlink()).startswith("socket:")
    except FileNotFoundError:
        return False
