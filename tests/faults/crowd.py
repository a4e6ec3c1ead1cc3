"""Clients that do no good: connections that say nothing, that speak slowly, that never read.

All of them live in one thread. Whoever was cut off comes again, so that they stay as many as they
were. It takes Linux, which tells the state of a connection without reading from it.
"""

import itertools
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

_TICK_SECONDS = 1.0
_MOST_WHO_COME_A_TICK = 200
_CONNECTS_WITHIN_SECONDS = 0.5
_SMALLEST_BUFFER = 2048
_ESTABLISHED = 1

Address = tuple[str, int]
Words = Callable[[], Iterator[bytes]]


@dataclass(slots=True)
class Guest:
    """What it says, a piece each second, once it is connected; it never reads."""

    words: Words
    buffer: int | None = None
    left: Iterator[bytes] = field(default_factory=lambda: iter(()))
    connection: socket.socket | None = None

    def come(self, address: Address) -> None:
        made = socket.socket()
        if self.buffer is not None:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self.buffer)
        made.settimeout(_CONNECTS_WITHIN_SECONDS)
        self.connection, self.left = made, self.words()
        try:
            made.connect(address)
            made.settimeout(0)
        except OSError:
            self.leave()

    def go_on(self) -> bool:
        """Say the next piece; whether it is still connected."""
        if self.connection is not None and self._state() == _ESTABLISHED:
            with suppress(ConnectionError):
                self._say(next(self.left, b""))
                return True
        self.leave()
        return False

    def _say(self, piece: bytes) -> None:
        assert self.connection is not None
        if piece:
            with suppress(BlockingIOError):
                self.connection.send(piece)

    def leave(self) -> None:
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    def _state(self) -> int:
        assert self.connection is not None
        return self.connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]


class Crowd:
    """So many of each kind, while it is entered. Those who never read ask for the trail, with an
    auditor's key. `cut_off` counts who had to come again."""

    def __init__(
        self, address: Address, auditor: str, *, idle: int, senders: int, readers: int
    ) -> None:
        self._address, self._over = address, threading.Event()
        self.guests = [
            *(Guest(lambda: iter(())) for _ in range(idle)),
            *(Guest(_slow_request) for _ in range(senders)),
            *(Guest(_export(auditor), _SMALLEST_BUFFER) for _ in range(readers)),
        ]
        self.cut_off = 0
        self._thread = threading.Thread(target=self._run, name="crowd", daemon=True)

    @property
    def present(self) -> int:
        """How many are connected."""
        return sum(guest.connection is not None for guest in self.guests)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join(_MOST_WHO_COME_A_TICK * _CONNECTS_WITHIN_SECONDS)
        for guest in self.guests:
            guest.leave()

    def _run(self) -> None:
        while not self._over.wait(_TICK_SECONDS):
            there = [guest for guest in self.guests if guest.connection is not None]
            away = [guest for guest in self.guests if guest.connection is None]
            self.cut_off += sum(not guest.go_on() for guest in there)
            for guest in away[:_MOST_WHO_COME_A_TICK]:
                if not self._over.is_set():
                    guest.come(self._address)


def _slow_request() -> Iterator[bytes]:
    """Yield a head that has no end, letter by letter."""
    yield b"POST /attendance HTTP/1.1\r\nHost: a\r\nX-Slow: "
    yield from itertools.repeat(b"x")


def _export(auditor: str) -> Words:
    head = f"GET /audit/export HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {auditor}\r\n\r\n"
    return lambda: iter([head.encode()])
