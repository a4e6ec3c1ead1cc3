"""Log lines: one an event, complete, and without a secret."""

import json
import logging
import subprocess
import sys
from typing import Any

import pytest

from attendance.config.logs import JsonFormatter, TextFormatter, logging_config
from attendance.config.secrets import Secret

TOKEN = "987654321:AAG-anotherTokenThatIsNone_0123456789"
KEY = "att_0123456789abcdefghijABCDEFGHIJ"
AWKWARD = 'a "quoted" \\secret\\ with ümlaut'


def _record(message: str = "hello %s", *args: object, **extra: object) -> logging.LogRecord:
    record = logging.makeLogRecord(
        {"name": "attendance.web", "levelname": "WARNING", "msg": message, "args": args, **extra}
    )
    record.created = 1795424400.1239
    return record


def _failing(message: str) -> logging.LogRecord:
    return _record("failed", exc_info=(RuntimeError, RuntimeError(message), None))


def _json(record: logging.LogRecord) -> dict[str, Any]:
    text = JsonFormatter().format(record)
    assert "\n" not in text
    found: dict[str, Any] = json.loads(text)
    return found


def test_a_line_of_json_has_time_level_logger_and_message() -> None:
    assert _json(_record("hello %s", "you")) == {
        "time": "2026-11-23T09:00:00.123+00:00",
        "level": "warning",
        "logger": "attendance.web",
        "message": "hello you",
    }


def test_what_is_given_as_extra_stands_beside_them() -> None:
    line = _json(_record("x", request_id="req-1", status=503, found=None, where={"a": [1]}))

    assert (line["request_id"], line["status"], line["found"]) == ("req-1", 503, None)
    assert line["where"] == {"a": [1]}


def test_what_has_no_json_form_is_written_as_text() -> None:
    assert _json(_record("x", thing=ValueError("odd")))["thing"] == "odd"


def test_an_event_of_many_lines_is_one_line_of_json() -> None:
    assert _json(_record("one\ntwo\u2028three"))["message"] == "one\ntwo\u2028three"


def test_an_exception_is_in_the_line_too() -> None:
    line = _json(_failing("boom"))

    assert line["exception"] == "RuntimeError: boom"


def test_a_line_of_text_ends_in_the_extras() -> None:
    line = TextFormatter().format(_record("hello %s", "you", request_id="req-1", status=503))

    assert line.split(maxsplit=1)[1] == "WARNING hello you  request_id=req-1 status=503"


def test_a_line_of_text_has_the_exception() -> None:
    assert "RuntimeError: boom" in TextFormatter().format(_failing("boom"))


@pytest.mark.parametrize("formatter", [JsonFormatter(), TextFormatter()])
@pytest.mark.parametrize("secret", [TOKEN, TOKEN.replace(":", "%3A"), KEY])
def test_what_looks_like_a_secret_is_struck_out_everywhere(
    formatter: logging.Formatter, secret: str
) -> None:
    records = [
        _record(f"token={secret}"),
        _record("url %s", secret),
        _record("x", url=f"https://h/{secret}/"),
        _record("x", nested={"list": [secret]}),
        _failing(f"no route to {secret}"),
    ]
    for record in records:
        line = formatter.format(record)
        assert secret not in line
        assert "[secret]" in line


def test_a_token_that_no_setting_names_is_struck_out_of_an_address() -> None:
    line = TextFormatter().format(_record(f"POST https://api.telegram.org/bot{TOKEN}/sendMessage"))

    assert TOKEN not in line


@pytest.mark.parametrize("formatter", [JsonFormatter(), TextFormatter()])
@pytest.mark.parametrize("value", ["plain-secret-value", AWKWARD])
def test_a_secret_of_the_settings_is_struck_out_by_its_value(
    formatter: logging.Formatter, value: str
) -> None:
    Secret(value)

    for record in (_record("%s!", value), _record("x", key=value), _failing(f"with {value}")):
        line = formatter.format(record)
        assert "[secret]" in line
        assert value not in line
        assert json.dumps(value, ensure_ascii=False)[1:-1] not in line


@pytest.mark.parametrize(
    ("asked", "terminal", "chosen"),
    [
        (None, True, "text"),
        (None, False, "json"),
        ("json", True, "json"),
        ("text", False, "text"),
    ],
)
def test_text_is_for_terminals_where_nothing_is_asked(
    monkeypatch: pytest.MonkeyPatch, asked: Any, *, terminal: bool, chosen: str
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal, raising=False)

    config = logging_config(asked)

    assert config["handlers"]["stderr"]["formatter"] == chosen
    told = config["loggers"]["attendance.outbox.delivery"]["level"]
    assert told == {"text": "DEBUG", "json": "INFO"}[chosen]


@pytest.mark.slow
def test_the_configuration_is_one_that_python_takes_and_quietens_the_talkative() -> None:
    """In a process of its own: it is for a whole process."""
    script = """
import logging, logging.config
from attendance.config.logs import logging_config
logging.config.dictConfig(logging_config("json"))
# urllib3's DEBUG lines have the token in them.
logging.getLogger("urllib3.connectionpool").info("POST /bot...")
logging.getLogger("gunicorn.error").info("Booting worker")
"""
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert [json.loads(line)["message"] for line in ran.stderr.splitlines()] == ["Booting worker"]
