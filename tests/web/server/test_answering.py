"""A client that does not take its answer gives the thread back."""

import logging
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest

from attendance.web.server import answering
from attendance.web.server.answering import AnswerSocket

SECONDS = 0.2
ANSWER = bytes(8 * 1024 * 1024)


@pytest.fixture
def pair(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[AnswerSocket, socket.socket]]:
    """Ours, with little time for a client; and the client's."""
    timeout = struct.pack("ll", 0, int(SECONDS * 1_000_000))
    monkeypatch.setattr(answering, "_TIMEOUT", timeout)
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = socket.create_connection(server.getsockname())
        accepted, _ = server.accept()
        with client, AnswerSocket.of(accepted) as ours:
            yield ours, client


def _read(client: socket.socket, each: int, pause_seconds: float, read: list[int]) -> None:
    with suppress(OSError):
        while received := client.recv(each):
            read.append(len(received))
            time.sleep(pause_seconds)


def test_a_client_that_reads_gets_all_of_it(pair: tuple[AnswerSocket, socket.socket]) -> None:
    ours, client = pair
    read: list[int] = []
    reader = threading.Thread(target=_read, args=(client, 1 << 20, 0.0, read))
    reader.start()
    ours.sendall(ANSWER)
    ours.close()
    reader.join()
    assert sum(read) == len(ANSWER)


@pytest.mark.slow
@pytest.mark.parametrize("each", [0, 64])
def test_one_that_takes_nothing_or_a_little_now_and_then_is_given_up_with_one_line(
    each: int, pair: tuple[AnswerSocket, socket.socket], caplog: pytest.LogCaptureFixture
) -> None:
    ours, client = pair
    if each:
        threading.Thread(target=_read, args=(client, each, 0.05, []), daemon=True).start()
    with caplog.at_level(logging.WARNING), pytest.raises(BrokenPipeError):
        ours.sendall(ANSWER)
    assert [record.exc_info for record in caplog.records] == [None]
    client.shutdown(socket.SHUT_RDWR)


def test_control_a_plain_socket_waits_for_as_long_as_the_client_likes() -> None:
    ours, client = socket.socketpair()
    with ours, client:
        sending = threading.Thread(target=_sent, args=(ours,), daemon=True)
        sending.start()
        sending.join(3 * SECONDS)
        assert sending.is_alive()
        client.close()
        sending.join(10)


def _sent(ours: socket.socket) -> None:
    with suppress(OSError):
        ours.sendall(ANSWER)


def test_whether_a_client_reads_its_answers_is_seen(
    pair: tuple[AnswerSocket, socket.socket],
) -> None:
    ours, _ = pair
    assert ours.is_read()
    ours.settimeout(0)
    try:
        while True:
            ours.send(ANSWER)
    except BlockingIOError:
        assert not ours.is_read()
