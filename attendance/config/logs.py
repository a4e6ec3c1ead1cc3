"""Configure logging: a line for each event, text or JSON, with secrets struck out."""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any, Literal

from attendance.config.secrets import redact, redact_json
from attendance.config.terminal import escaped, harmless

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class JsonFormatter(logging.Formatter):
    """Format as one JSON object a line: `time`, `level`, `logger`, `message`, what was given as
    `extra`, and `exception` if there is one."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **{name: value for name, value in vars(record).items() if name not in _STANDARD},
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        # Twice: before JSON escapes a quote or a backslash of a secret, and after, for nested text.
        plain = {name: redact(v) if isinstance(v, str) else v for name, v in line.items()}
        return escaped(redact_json(json.dumps(plain, ensure_ascii=False, default=str)))


class TextFormatter(logging.Formatter):
    """Format as a line for people, with the extras behind it."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(message)s", datefmt="%H:%M:%S")

    def format(self, record: logging.LogRecord) -> str:
        extras = {name: value for name, value in vars(record).items() if name not in _STANDARD}
        line = super().format(record)
        if extras:
            line += "  " + " ".join(f"{name}={value}" for name, value in extras.items())
        return harmless(redact(line))


def logging_config(log_format: Literal["text", "json"] | None) -> dict[str, Any]:
    """Return a configuration for `logging.config.dictConfig`: everything goes to standard error
    through one handler. None chooses text on a terminal, else JSON. Text has a line for each
    message sent."""
    chosen = log_format or ("text" if sys.stderr.isatty() else "json")
    quiet = {"level": "WARNING"}
    gunicorn = {"level": "INFO", "handlers": [], "propagate": True}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "text": {"()": "attendance.config.logs.TextFormatter"},
            "json": {"()": "attendance.config.logs.JsonFormatter"},
        },
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": chosen}},
        "root": {"level": "INFO", "handlers": ["stderr"]},
        "loggers": {
            "gunicorn.error": gunicorn,
            "gunicorn.access": {**gunicorn, "level": "WARNING"},
            "urllib3": quiet,
            "alembic": quiet,
            "attendance.outbox.delivery": {"level": "DEBUG" if chosen == "text" else "INFO"},
        },
    }
