"""The gunicorn worker that answers in JSON what never reaches Flask: malformed HTTP."""

import json
import logging
import socket
import struct
import sys
import time
import uuid
from typing import Any

from gunicorn import util

from attendance.web.problems import MEDIA_TYPE, Problem
from attendance.web.worker_stop import OrderlyStop

READ_SECONDS = 20
"""How long a request may send nothing, headers and body alike."""

_NO_PRELOAD = (
    "Error: --preload (preload_app) is refused: a database connection that lives through a fork "
    "loses commits. Take it out of the command line, or out of GUNICORN_CMD_ARGS."
)
_YIELD_SECONDS = 0.001
_READ_TIMEOUT = struct.pack("ll", READ_SECONDS, 0)


class JsonWorker(OrderlyStop):
    """gthread, with problem details in place of gunicorn's HTML error pages, and with clients that
    stall in the middle of a request cut off: each would keep a thread for ever."""

    @classmethod
    def check_config(cls, cfg: Any, log: Any) -> None:
        """Refuse --preload, in the master and before any fork."""
        super().check_config(cfg, log)
        if cfg.preload_app:
            sys.exit(_NO_PRELOAD)

    def init_process(self) -> None:
        self.log.error_log.addFilter(_is_no_stalled_client)
        super().init_process()

    def accept(self, listener: Any) -> None:
        """A worker with as many connections as threads, idle ones among them, lets its siblings
        take a new one first: who wakes first would else take all, and the others stand idle."""
        if self.cfg.workers > 1 and self.nr_conns >= self.cfg.threads:
            time.sleep(_YIELD_SECONDS)
        super().accept(listener)

    def _cap_keepalive(self, deadline: float) -> None:
        """At the stop: also for a connection that has sent nothing yet, which gunicorn would wait
        for as long as for a request."""
        super()._cap_keepalive(deadline)
        for conn in self.pending_conns:
            conn.timeout = min(conn.timeout, deadline)

    def enqueue_req(self, conn: Any) -> None:
        if conn.parser is None:  # its first request
            conn.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _READ_TIMEOUT)
        super().enqueue_req(conn)

    def handle_error(self, req: Any, client: socket.socket, addr: Any, exc: Exception) -> None:
        recorder = _Recorder()
        # gunicorn decides on status and reason and logs; only what it writes is replaced.
        super().handle_error(req, recorder, addr, exc)
        status, reason = recorder.status_line()
        try:
            util.write_nonblock(client, _response(status, reason))
        except OSError:
            self.log.debug("Failed to send error message.")


def _is_no_stalled_client(record: logging.LogRecord) -> bool:
    """A client that stalled is not worth a traceback."""
    return not (record.exc_info and isinstance(record.exc_info[1], BlockingIOError))


class _Recorder:
    """Stands in for the client's socket and keeps what gunicorn writes to it."""

    def __init__(self) -> None:
        self._written = b""

    def gettimeout(self) -> float:
        return 0.0

    def sendall(self, data: bytes) -> None:
        self._written += data

    def status_line(self) -> tuple[int, str]:
        _, _, rest = self._written.partition(b" ")
        status, _, reason = rest.partition(b"\r\n")[0].partition(b" ")
        if not status.isdigit():
            return 500, "Internal Server Error"
        return int(status), reason.decode("latin-1")


def _response(status: int, reason: str) -> bytes:
    request_id = uuid.uuid4().hex
    code = "malformed_request" if status < 500 else "internal_error"
    detail = f"The request was not understood: {reason}." if status < 500 else "The server failed."
    body = json.dumps(Problem(status, code, detail).as_dict(request_id)).encode()
    head = (
        f"HTTP/1.1 {status} {reason}\r\nConnection: close\r\nContent-Type: {MEDIA_TYPE}\r\n"
        f"X-Request-Id: {request_id}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode("latin-1") + body
