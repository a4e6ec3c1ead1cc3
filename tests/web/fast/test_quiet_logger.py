"""Without `QuietLogger` the service answers and logs the same."""

import logging
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from gunicorn.config import Config
from gunicorn.glogging import Logger
from gunicorns import gunicorn

from attendance.web.fast.quiet_logger import QuietLogger


@pytest.mark.slow
def test_gunicorn_s_own_logger_serves_the_same(with_keys: Path, tmp_path: Path) -> None:
    with gunicorn(with_keys, tmp_path / "ours") as ours:
        ours_said, ours_told = ours.answers(), ours.told()
    with gunicorn(
        with_keys, tmp_path / "plain", "logger_class = 'gunicorn.glogging.Logger'"
    ) as plain:
        assert plain.answers() == ours_said
        assert plain.told() == ours_told


@pytest.mark.parametrize("kind", [Logger, QuietLogger])
def test_an_access_log_that_is_wanted_has_its_line(kind: type[Logger]) -> None:
    config = Config()
    config.set("accesslog", "-")
    logger = kind(config)
    lines: list[logging.LogRecord] = []
    logger.access_log.handlers = [_Keeping(lines)]
    answer = SimpleNamespace(status="200 OK", sent=2, headers=[], headers_sent=True)
    environ = {"REQUEST_METHOD": "GET", "RAW_URI": "/livez", "SERVER_PROTOCOL": "HTTP/1.1"}

    logger.access(answer, SimpleNamespace(headers=[]), environ, timedelta(0))
    logger.access_log.handlers = []

    assert ['"GET /livez HTTP/1.1" 200 2' in line.getMessage() for line in lines] == [True]


class _Keeping(logging.Handler):
    def __init__(self, lines: list[logging.LogRecord]) -> None:
        super().__init__()
        self._lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        self._lines.append(record)
