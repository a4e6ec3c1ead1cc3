"""A port that is given away is free, and stays so until it is used."""

import random
import socket
from pathlib import Path

import ports
import pytest
from ports import free_port


def test_it_can_be_listened_at() -> None:
    with socket.create_server(("127.0.0.1", free_port())):
        pass


def test_none_from_which_the_kernel_connects_is_given_away() -> None:
    lowest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    assert all(free_port() < max(lowest, ports.LEAST) for _ in range(50))


def test_one_that_is_taken_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    free = free_port()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        tried = iter([listener.getsockname()[1], free])
        monkeypatch.setattr(ports._chance, "randrange", lambda *_: next(tried))
        assert free_port() == free


def test_processes_that_begin_alike_are_not_given_the_same() -> None:
    """The tests' own generator is set to one state before each test, in all processes."""
    given = set()
    for _ in range(20):
        random.seed(1)
        given.add(free_port())
    assert len(given) > 1
