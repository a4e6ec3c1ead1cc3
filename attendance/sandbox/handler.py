"""One connection's HTTP: route a request, and put the answer, or a fault, onto the wire."""

from dataclasses import replace
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from attendance.sandbox import control, page, parameters
from attendance.sandbox.bot_api import Refused, Reply, refused
from attendance.sandbox.connections import reset_on_close
from attendance.sandbox.faults import Fault
from attendance.sandbox.play import Play
from attendance.sandbox.state import Moment

MAX_BODY_BYTES = 1 << 20
MAX_DISCARDED_BYTES = 64 << 20
HUGE_BYTES = 10 * 1024 * 1024


class Handler(BaseHTTPRequestHandler):
    """Serves one connection, in a thread of its own, until either side closes it."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def __init__(self, sandbox: Play, *connection: Any) -> None:
        self.sandbox = sandbox
        super().__init__(*connection)

    def do_GET(self) -> None:
        self._route()

    def do_POST(self) -> None:
        self._route()

    def do_DELETE(self) -> None:
        self._route()

    def log_message(self, *_: object) -> None:
        """Write nothing: the page and `requests` show what happened, and the path has the token."""

    def send_error(self, code: int, *_: object, **__: object) -> None:
        """Refuse unreadable HTTP as Telegram does: the status alone, and the connection ends."""
        self.close_connection = True
        self._send(Reply(code, b""))

    def _route(self) -> None:
        started = Moment.now()
        body = self._body()
        if body is None:
            return
        url = urlsplit(self.path)
        if url.path.startswith("/bot") and self.command != "DELETE":
            self._bot_call(url.path, url.query, body, started)
        elif url.path in page.FILES or not url.path.startswith("/sandbox/"):
            self._send(page.answer(self.command, url.path))
        elif self._is_foreign():
            self._send(Reply(403, b""))
        else:
            query = parse_qs(url.query)
            self._send(control.answer(self.sandbox, self.command, url.path, query, body))

    def _is_foreign(self) -> bool:
        """Tell whether a page of another origin asks: no website may read or steer the sandbox."""
        origin = self.headers.get("Origin")
        return origin is not None and urlsplit(origin).netloc != self.headers.get("Host")

    def _body(self) -> bytes | None:
        """Return the request's body; None if it was refused and answered."""
        length = self.headers.get("Content-Length", "0")
        if "Transfer-Encoding" in self.headers:
            self.send_error(501)
        elif not length.isascii() or not length.isdigit():
            self.send_error(400)
        elif int(length) > MAX_BODY_BYTES:
            self._discard(int(length))
            self.send_error(413)
        else:
            return self.rfile.read(int(length))
        return None

    def _discard(self, length: int) -> None:
        """Read what is refused: to close with unread bytes would reset the connection, and lose
        the answer."""
        for _ in range(0, min(length, MAX_DISCARDED_BYTES), MAX_BODY_BYTES):
            self.rfile.read(min(length, MAX_BODY_BYTES))
            length -= MAX_BODY_BYTES

    def _bot_call(self, path: str, query: str, body: bytes, started: Moment) -> None:
        token, _, method = unquote(path.removeprefix("/bot")).partition("/")
        try:
            given = parameters.read(query, self.headers.get("Content-Type", ""), body)
        except parameters.Malformed as error:
            request = self.sandbox.state.begin_request(method, {}, started)
            self.sandbox.state.end_request(request, 400, f"unreadable: {error}", "")
            self.send_error(400)
            return
        request = self.sandbox.state.begin_request(method, given, started)
        reply, fault = self._answer(token, method, given, started)
        self.sandbox.state.end_request(
            request, reply.status, reply.error, fault.kind if fault else ""
        )
        self._misbehave(reply, fault) if fault else self._send(reply)

    def _answer(
        self, token: str, method: str, given: dict[str, str], started: Moment
    ) -> tuple[Reply, Fault | None]:
        try:
            self.sandbox.api.check_token(token)
        except Refused as refusal:
            return refused(refusal), None
        return self.sandbox.answer(method, given, started)

    def _misbehave(self, reply: Reply, fault: Fault) -> None:
        match fault.kind:
            case "drop":
                self._reset()
            case "cut":
                self._cut(reply, fault.bytes)
            case "drip":
                self._drip(reply, fault)
            case "huge":
                body = reply.body.ljust(fault.bytes or HUGE_BYTES)
                self._send(replace(reply, body=body))
            case _:
                self._send(reply)

    def _reset(self) -> None:
        reset_on_close(self.connection)
        self.close_connection = True

    def _cut(self, reply: Reply, size: int | None) -> None:
        self._write(_head(reply) + reply.body[: size or len(reply.body) // 2])
        self.close_connection = True

    def _drip(self, reply: Reply, fault: Fault) -> None:
        head, body = _head(reply), reply.body
        if fault.part == "body":
            self._write(head)
            head = b""
        for byte in head + body:
            if self.sandbox.stopping.wait(fault.interval_seconds) or not self._write(bytes([byte])):
                self.close_connection = True
                return

    def _send(self, reply: Reply) -> None:
        self._write(_head(reply, close=self.close_connection) + reply.body)

    def _write(self, data: bytes) -> bool:
        """Write, and tell whether it could be done: a client that has left is no error."""
        try:
            self.wfile.write(data)
        except OSError:
            self.close_connection = True
            return False
        return True


def _head(reply: Reply, *, close: bool = False) -> bytes:
    try:
        phrase = HTTPStatus(reply.status).phrase
    except ValueError:
        phrase = "Unknown"
    headers = {
        "Server": "sandbox",
        "Content-Type": reply.content_type,
        "Content-Length": str(len(reply.body)),
        "Connection": "close" if close else "keep-alive",
        **reply.headers,
    }
    lines = [f"HTTP/1.1 {reply.status} {phrase}", *(f"{k}: {v}" for k, v in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode()
