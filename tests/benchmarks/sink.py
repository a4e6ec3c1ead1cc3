"""A server that answers every sendMessage at once, in a process of its own, and keeps when.

It stands in for Telegram where the sandbox, which checks markup and limits, would be measured
instead of us. `python sink.py PORT` serves; `Sink` starts it and asks it what arrived.
"""

import asyncio
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import requests
from processes import cpu_seconds, free_port

_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_REFERENCE = re.compile(rb"#(\d+)")
_ANSWER = b'{"ok":true,"result":{"message_id":%d,"date":1,"chat":{"id":1,"type":"private"}}}'
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"

arrivals: list[tuple[float, int]] = []
"""When each request arrived, on the clock that all processes share, and the message's number."""


class _Connection(asyncio.Protocol):
    def __init__(self) -> None:
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            length = _LENGTH.search(self._buffer, 0, end)
            whole = end + 4 + (int(length[1]) if length else 0)
            if len(self._buffer) < whole:
                return
            request, self._buffer = self._buffer[:whole], self._buffer[whole:]
            self._transport.write(_reply(request))


def _reply(request: bytes) -> bytes:
    if request.startswith(b"GET"):
        body = str(arrivals if b"/arrivals" in request else len(arrivals)).encode()
    else:
        numbers = _REFERENCE.findall(request)
        arrivals.append((time.monotonic(), int(numbers[-1]) if numbers else 0))
        body = _ANSWER % len(arrivals)
    return _HEAD % (len(body), body)


async def _serve(port: int) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(_Connection, "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


class Sink:
    """The process, seen from outside."""

    def __init__(self, process: "subprocess.Popen[bytes]", url: str) -> None:
        self.process = process
        self.url = url

    @property
    def count(self) -> int:
        return int(requests.get(f"{self.url}/count", timeout=30).text)

    @property
    def cpu_seconds(self) -> float:
        return cpu_seconds(self.process.pid)

    def arrivals(self) -> list[tuple[float, int]]:
        text = requests.get(f"{self.url}/arrivals", timeout=60).text
        return [(float(at), int(number)) for at, number in re.findall(r"\(([\d.]+), (\d+)\)", text)]

    def wait_for(self, count: int, timeout_seconds: float) -> None:
        """Until `count` requests have arrived; raises TimeoutError where they do not."""
        deadline = time.monotonic() + timeout_seconds
        while (now := self.count) < count:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{now} of {count} messages arrived in {timeout_seconds:g} s")
            time.sleep(0.02)


@contextmanager
def running() -> Iterator[Sink]:
    port = free_port()
    command = [sys.executable, str(Path(__file__)), str(port)]
    with subprocess.Popen(command) as process:
        try:
            sink = Sink(process, f"http://127.0.0.1:{port}")
            _wait_until_it_answers(sink)
            yield sink
        finally:
            process.kill()


def _wait_until_it_answers(sink: Sink) -> None:
    deadline = time.monotonic() + 10
    while True:
        try:
            sink.count  # noqa: B018 - asked for its answer
        except requests.RequestException:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1])))
