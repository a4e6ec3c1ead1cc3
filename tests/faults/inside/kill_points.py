"""Ends the process with SIGKILL where it passes a point for which a test has laid a file, or sends
it the signal that the file names.

The points are placed around SQLAlchemy, gunicorn and the Telegram client, so that the product has
no hooks for tests. Whoever can remove the file named after the point is struck: one for each file.
On PostgreSQL there is no point at the BEGIN, which goes with the first statement, and none at a
checkpoint, which is the server's own.
"""

import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
from gunicorn.http.wsgi import Response
from sqlalchemy import Engine, event
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite

from attendance.db.sqlite.engines import _Connection as driver_class
from attendance.telegram.client import TelegramClient

KINDS = ("record", "claim", "settlement", "seal")
POINTS = (
    *("before-begin", "after-begin"),
    *(f"{when}-{kind}-commit" for kind in KINDS for when in ("before", "after")),
    *("before-answer", "after-answer", "before-request", "after-request"),
    *("before-checkpoint", "after-checkpoint"),
)
_CHECKPOINT = "PRAGMA wal_checkpoint"
_written = threading.local()


def install() -> None:
    """Place all points. FAULTS_FOLDER is where their files are laid."""
    event.listen(Engine, "before_cursor_execute", lambda *seen: _before(*seen[2:4]))
    event.listen(Engine, "after_cursor_execute", lambda *seen: _after(seen[2]))
    # Statements that are prepared go straight to the driver.
    for driver in (driver_class, psycopg.Connection):
        _wrap(driver, "execute", _execute)
    for dialect in (SQLiteDialect_pysqlite, PGDialect_psycopg):
        _wrap(dialect, "do_commit", _commit)
    _wrap(PGDialect_psycopg, "do_begin", _begin)
    _wrap(Response, "start_response", _start_response)
    _wrap(Response, "close", _end_response)
    _wrap(TelegramClient, "send", _send)


def passing(point: str) -> None:
    laid = Path(os.environ["FAULTS_FOLDER"]) / point
    try:
        named = laid.read_text()
        laid.unlink()
    except FileNotFoundError:
        return
    strike(signal.Signals[named or "SIGKILL"])


def strike(number: signal.Signals) -> None:
    if number == signal.SIGSTOP:
        # To this thread, which else might go on for as long as it takes to wake the main one.
        signal.pthread_kill(threading.get_ident(), number)
    else:
        os.kill(os.getpid(), number)


def _wrap(owner: Any, name: str, around: Callable[..., Any]) -> None:
    inner = getattr(owner, name)
    setattr(owner, name, lambda *given, **named: around(inner, *given, **named))


def kind_of(statement: str, parameters: Any) -> str | None:
    """What a statement that is part of it tells of a transaction."""
    if statement.startswith("INSERT INTO attendance "):
        return "record"
    if statement.startswith("INSERT INTO outbox_attempt "):
        return "settlement"
    if statement.startswith("INSERT INTO audit_seal "):
        return "seal"
    if statement.startswith("UPDATE outbox SET") and "sending" in parameters:
        return "claim"
    return None


def _execute(inner: Callable[..., Any], connection: Any, statement: str, *given: Any) -> Any:
    _before(statement, given[0] if given else ())
    answer = inner(connection, statement, *given)
    _after(statement)
    return answer


def _before(statement: str, parameters: Any) -> None:
    if statement.startswith("BEGIN IMMEDIATE"):
        _written.kinds = set()
        passing("before-begin")
    elif statement.startswith(_CHECKPOINT):
        passing("before-checkpoint")
    elif kind := kind_of(statement, parameters):
        _written.kinds.add(kind)


def _after(statement: str) -> None:
    if statement.startswith("BEGIN IMMEDIATE"):
        passing("after-begin")
    elif statement.startswith(_CHECKPOINT):
        passing("after-checkpoint")


def _begin(inner: Callable[..., Any], *given: Any) -> None:
    _written.kinds = set()
    inner(*given)


def _commit(inner: Callable[..., Any], *given: Any) -> None:
    kinds: set[str] = getattr(_written, "kinds", set())
    for kind in kinds:
        passing(f"before-{kind}-commit")
    inner(*given)
    for kind in kinds:
        passing(f"after-{kind}-commit")
    _written.kinds = set()


def _start_response(inner: Callable[..., Any], response: Any, status: str, *given: Any) -> Any:
    if status.startswith("201"):
        passing("before-answer")
    return inner(response, status, *given)


def _end_response(inner: Callable[..., Any], response: Any) -> None:
    inner(response)
    if response.status.startswith("201"):
        passing("after-answer")


def _send(inner: Callable[..., Any], *given: Any, **named: Any) -> Any:
    passing("before-request")
    outcome = inner(*given, **named)
    passing("after-request")
    return outcome
