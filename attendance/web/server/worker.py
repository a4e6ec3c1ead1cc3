"""The worker class that gunicorn is given; it answers in JSON what never reaches Flask."""

import json
import logging
import socket
import sys
import uuid
from typing import Any

from gunicorn import util

from attendance.web.problems import MEDIA_TYPE, Problem
from attendance.web.server.waiting import WaitingWorker

_NO_PRELOAD = (
    "Error: --preload (preload_app) is refused: a database connection that lives through a fork "
    "loses commits. Take it out of the command line, or out of GUNICORN_CMD_ARGS."
)
_REFUSED = ("malformed_request", "The request was not understood: {reason}.")
_FAILED = ("internal_error", "The server failed.")
_SAID = {408: ("request_timeout", "The request did not arrive in time.")}


class JsonWorker(WaitingWorker):
    """gthread, with problem details in place of gunicorn's HTML error pages."""

    @classmethod
    def check_config(cls, cfg: Any, log: Any) -> None:
        """Refuse --preload, in the master and before any fork."""
        super().check_config(cfg, log)
        if cfg.preload_app:
            sys.exit(_NO_PRELOAD)

    def init_process(self) -> None:
        self.log.error_log.addFilter(_is_no_stalled_client)
        super().init_process()

    def handle_error(self, req: Any, client: socket.socket, addr: Any, exc: Exception) -> None:
        recorder = _Recorder()
        # gunicorn decides on status and reason and logs; only what it writes is replaced.
        super().handle_error(req, recorder, addr, exc)
        self.refuse(client, *recorder.status_line())

    def refuse(self, sock: socket.socket, status: int, reason: str) -> None:
        try:
            util.write_nonblock(sock, _response(status, reason))
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
    code, detail = _SAID.get(status, _REFUSED if status < 500 else _FAILED)
    detail = detail.format(reason=reason)
    body = json.dumps(Problem(status, code, detail).as_dict(request_id)).encode()
    head = (
        f"HTTP/1.1 {status} {reason}\r\nConnection: close\r\nContent-Type: {MEDIA_TYPE}\r\n"
        f"X-Request-Id: {request_id}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode("latin-1") + body
