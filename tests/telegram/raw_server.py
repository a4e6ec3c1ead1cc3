"""A server that does exactly what a test tells it, byte by byte, and counts its connections."""

import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

CERTIFICATE = Path(__file__).with_name("localhost.pem")


class Peer:
    """The server's end of one connection."""

    def __init__(self, sock: socket.socket, server: "RawServer") -> None:
        self.sock, self._server = sock, server
        self._buffer = b""

    def request(self) -> bytes:
        """The next whole request, or nothing when the client has closed."""
        while not self._whole():
            received = self.sock.recv(65536)
            if not received:
                return b""
            self._buffer += received
        request, self._buffer = self._buffer, b""
        self._server.requests.append(request)
        return request

    def _whole(self) -> bool:
        head, end, body = self._buffer.partition(b"\r\n\r\n")
        lengths = [
            line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")
        ]
        return bool(end) and len(body) >= (int(lengths[0].split(b":")[1]) if lengths else 0)

    def say(self, data: bytes) -> None:
        self.sock.sendall(data)

    def drip(self, data: Iterable[int], seconds: float) -> None:
        """A byte every so many seconds, until there are none or the test is over."""
        for byte in data:
            if self._server.over.wait(seconds):
                return
            self.say(bytes([byte]))

    def wait(self) -> None:
        """Say nothing until the test is over."""
        self._server.over.wait(30)

    def reset(self) -> None:
        """Close with RST instead of FIN."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()


class RawServer:
    """`talk(peer)` runs in a thread for each connection."""

    def __init__(
        self, talk: Callable[[Peer], None], *, tls: bool = False, receive_buffer: int = 0
    ) -> None:
        self.requests: list[bytes] = []
        self.connections = 0
        self.over = threading.Event()
        self._talk = talk
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER) if tls else None
        if self._context:
            self._context.load_cert_chain(CERTIFICATE)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(0.01)
        if receive_buffer:
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self._threads: list[threading.Thread] = []
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.over.set()
        for thread in self._threads:
            thread.join(10)
        self._listener.close()

    def _start(self, work: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=work, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self.over.is_set():
            try:
                sock, _ = self._listener.accept()
            except TimeoutError:
                continue
            self.connections += 1
            self._start(self._serve, sock)

    def _serve(self, sock: socket.socket) -> None:
        sock.settimeout(10)
        try:
            if self._context:
                sock = self._context.wrap_socket(sock, server_side=True)
            self._talk(Peer(sock, self))
        except OSError:
            pass  # the client went away, which is what many tests are about
        finally:
            sock.close()


def reply(body: bytes, status: str = "200 OK", *headers: bytes) -> bytes:
    """A whole HTTP answer that keeps the connection open."""
    lines = [
        f"HTTP/1.1 {status}".encode(),
        b"Content-Length: %d" % len(body),
        b"Content-Type: application/json",
        *headers,
    ]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def answering(*answers: bytes) -> Callable[[Peer], None]:
    """Answers each request with the next of `answers`, and the last one from then on."""
    left = list(answers)

    def talk(peer: Peer) -> None:
        while peer.request():
            peer.say(left.pop(0) if len(left) > 1 else left[0])

    return talk


DELIVERED = reply(b'{"ok":true,"result":{"message_id":42,"date":1,"chat":{"id":7}}}')


def silence(peer: Peer) -> None:
    peer.request()
    peer.wait()


def reset_at_once(peer: Peer) -> None:
    # Not within the handshake, where the reset would be that of a refused connection.
    time.sleep(0.02)
    peer.reset()


def reset_after_the_request(peer: Peer) -> None:
    peer.request()
    peer.reset()


def end_after_the_request(peer: Peer) -> None:
    peer.request()


def half_a_head(peer: Peer) -> None:
    peer.request()
    peer.say(DELIVERED[:20])


def half_a_body(peer: Peer) -> None:
    peer.request()
    peer.say(DELIVERED[:-10])


def half_a_body_then_silence(peer: Peer) -> None:
    peer.request()
    peer.say(DELIVERED[:-10])
    peer.wait()


def half_a_body_then_reset(peer: Peer) -> None:
    peer.request()
    peer.say(DELIVERED[:-10])
    peer.reset()


def dripping_head(peer: Peer) -> None:
    peer.request()
    peer.drip(b"HTTP/1.1 200 OK\r\nX-Slow: " + b"z" * 400, seconds=0.1)


def dripping_interim_answers(peer: Peer) -> None:
    peer.request()
    peer.drip(b"HTTP/1.1 100 Continue\r\n\r\n" * 20, seconds=0.1)


def dripping_body(peer: Peer) -> None:
    peer.request()
    peer.say(DELIVERED[:-50])
    peer.drip(DELIVERED[-50:], seconds=0.2)


def dripping_chunks(peer: Peer) -> None:
    peer.request()
    peer.say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    peer.drip(b"1\r\n{\r\n" * 100, seconds=0.1)


def not_http(peer: Peer) -> None:
    peer.request()
    peer.say(b"SSH-2.0-OpenSSH_9.2\r\n")


def two_lengths(peer: Peer) -> None:
    peer.request()
    peer.say(reply(b"{}", "200 OK", b"Content-Length: 77"))


def bad_chunk(peer: Peer) -> None:
    peer.request()
    peer.say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}")


def bad_gateway(peer: Peer) -> None:
    peer.request()
    peer.say(reply(b"<html>502 Bad Gateway</html>", "502 Bad Gateway"))


def empty_success(peer: Peer) -> None:
    peer.request()
    peer.say(reply(b""))


def malformed_header(peer: Peer) -> None:
    """urllib3 logs this one as a warning, with the URL."""
    peer.request()
    peer.say(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nno colon here\r\nX: y\r\n\r\n")


# All of them end after the client began to write: none may be taken for "surely not sent".
FAULTS = [
    silence,
    reset_at_once,
    reset_after_the_request,
    end_after_the_request,
    half_a_head,
    half_a_body,
    half_a_body_then_silence,
    half_a_body_then_reset,
    dripping_head,
    dripping_interim_answers,
    dripping_body,
    dripping_chunks,
    not_http,
    two_lengths,
    bad_chunk,
    bad_gateway,
    empty_success,
    malformed_header,
]
