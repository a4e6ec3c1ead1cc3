"""What never reaches Flask: gunicorn's own answers to malformed requests, as problems."""

import json
import logging
import socket
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from gunicorn.config import Config
from gunicorn.glogging import Logger
from gunicorn.http import errors
from gunicorn.http.errors import ParseException

from attendance.web.server.worker import JsonWorker

SECRET = "4711-of-the-client"


class _Answering(JsonWorker):
    """A worker that is only asked what it answers."""

    def __init__(self) -> None:
        self.cfg = Config()
        self.log = Logger(self.cfg)


@pytest.fixture
def worker() -> Iterator[_Answering]:
    yield _Answering()
    for name in ("gunicorn.error", "gunicorn.access"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.setLevel(logging.NOTSET)
        logger.propagate = True


def _answer(worker: JsonWorker, error: Exception) -> tuple[int, dict[str, str], bytes]:
    """What the client reads: the status, the headers and the body, of one whole answer."""
    ours, theirs = socket.socketpair()
    with closing(ours), closing(theirs):
        worker.handle_error(None, ours, ("192.0.2.1", 4711), error)
        ours.shutdown(socket.SHUT_WR)
        received = theirs.makefile("rb").read()
    head, _, body = received.partition(b"\r\n\r\n")
    status_line, *lines = head.decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    return int(status_line.split()[1]), headers, body


MALFORMED: list[tuple[int, Exception]] = [
    (400, errors.InvalidRequestLine(SECRET)),
    (400, errors.InvalidRequestMethod(SECRET)),
    (400, errors.InvalidHTTPVersion(SECRET)),
    (400, errors.InvalidHeader(SECRET)),
    (400, errors.InvalidHeaderName(SECRET)),
    (400, errors.ObsoleteFolding(SECRET)),
    (400, errors.InvalidProxyLine(SECRET)),
    (400, errors.InvalidSchemeHeaders()),
    (400, errors.InvalidChunkSize(SECRET)),
    (400, errors.ChunkMissingTerminator(SECRET)),
    (400, errors.InvalidChunkExtension(SECRET)),
    (400, errors.InvalidH2CPreface(SECRET)),
    (403, errors.ForbiddenProxyRequest("192.0.2.1")),
    (414, errors.LimitRequestLine(9000, 4094)),
    (417, errors.ExpectationFailed(SECRET)),
    (431, errors.LimitRequestHeaders(SECRET)),
    (500, errors.ConfigurationProblem(SECRET)),
    (500, errors.InvalidResponseHeader(SECRET)),
    (500, errors.InvalidResponseHeaderName(SECRET)),
    (500, RuntimeError(SECRET)),
    (501, errors.UnsupportedTransferCoding(SECRET)),
]


@pytest.mark.parametrize(("status", "error"), MALFORMED, ids=lambda value: type(value).__name__)
def test_each_malformed_request_is_answered_with_a_problem(
    worker: _Answering, status: int, error: Exception
) -> None:
    answered, headers, body = _answer(worker, error)

    problem: dict[str, Any] = json.loads(body)
    assert answered == problem["status"] == status
    assert headers["Content-Type"] == "application/problem+json"
    assert headers["Content-Length"] == str(len(body))
    assert headers["Connection"] == "close"
    assert headers["X-Request-Id"] == problem["request_id"]
    assert set(problem) == {"type", "title", "status", "detail", "code", "request_id"}
    assert all(problem.values())
    assert SECRET not in body.decode()
    assert ("not understood" in problem["detail"]) is (status < 500)


def test_the_table_has_every_error_that_gunicorn_answers() -> None:
    known = {type(error) for _, error in MALFORMED}
    handled = {
        error
        for error in vars(errors).values()
        if isinstance(error, type) and issubclass(error, ParseException)
    }

    # InvalidProxyHeader is raised by nothing that handle_error would see.
    assert handled - known == {ParseException, errors.InvalidProxyHeader}


def test_what_went_wrong_is_in_the_log(
    worker: _Answering, caplog: pytest.LogCaptureFixture
) -> None:
    logging.getLogger("gunicorn.error").propagate = True

    _answer(worker, errors.InvalidHeaderName(SECRET))

    assert SECRET in caplog.text


def test_a_client_that_has_gone_is_no_trouble(worker: _Answering) -> None:
    ours, theirs = socket.socketpair()
    theirs.close()
    with closing(ours):
        worker.handle_error(None, ours, None, errors.InvalidRequestLine(SECRET))
