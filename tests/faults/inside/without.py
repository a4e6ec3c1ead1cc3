"""Takes one protection away from a service, for the controls: the checker has to notice."""

import io
import os
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from flask import Flask
from sqlalchemy import event
from sqlalchemy.pool import Pool

from attendance import db
from attendance.db import SqliteDatabase, base
from attendance.db.sqlite import backup, writer
from attendance.outbox import settlement
from attendance.outbox.transport import Outcome, Retry, Uncertain
from attendance.records import idempotency, recording
from attendance.web.server.worker import JsonWorker

_FORGETFUL_SECONDS = 0.3


def answer_after_commit() -> None:
    """Answer 201 at once, and record in a thread a little later: the handbook's way."""
    inner: Callable[..., Iterable[bytes]] = Flask.wsgi_app

    def forgetful(app: Flask, environ: Any, start_response: Any) -> Iterable[bytes]:
        if (environ["REQUEST_METHOD"], environ["PATH_INFO"]) != ("POST", "/attendance"):
            return inner(app, environ, start_response)
        body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
        later = {**environ, "wsgi.input": io.BytesIO(body)}
        threading.Thread(target=_record, args=(inner, app, later), daemon=True).start()
        start_response("201 CREATED", [("Content-Type", "application/json")])
        return [b"{}"]

    Flask.wsgi_app = forgetful  # type: ignore[method-assign, assignment]


def _record(inner: Callable[..., Iterable[bytes]], app: Flask, environ: Any) -> None:
    time.sleep(_FORGETFUL_SECONDS)
    for _ in inner(app, environ, lambda *_: None):
        pass


def one_transaction() -> None:
    """Write messages after the commit of what they speak of, in a transaction of their own."""
    notify, write = recording._notify, SqliteDatabase.write
    untold: dict[int, recording.Recording] = {}

    def tell_later(_: Any, recorded: recording.Recording, attendance_id: int) -> tuple[()]:
        untold[attendance_id] = recorded
        return ()

    def write_and_tell(database: SqliteDatabase, *given: Any, **named: Any) -> Any:
        answer = write(database, *given, **named)
        while untold:
            with suppress(KeyError):  # another thread was faster
                id_, recorded = untold.popitem()
                write(database, partial(notify, recording=recorded, attendance_id=id_))
        return answer

    recording._notify = tell_later  # type: ignore[assignment]
    SqliteDatabase.write = write_and_tell  # type: ignore[method-assign, assignment]


def kept_answers() -> None:
    """Forget what a request was answered, so that the same one again is another."""
    idempotency._keep = lambda *_: None


def another_try() -> None:
    """Give a message up as soon as it has not got through: the handbook's thread does."""
    decide = settlement._verdict

    def resign(outcome: Outcome, *given: Any) -> settlement._Verdict:
        gets_through = not isinstance(outcome, Retry | Uncertain)
        return decide(outcome, *given) if gets_through else settlement._Verdict("failed")

    settlement._verdict = resign  # type: ignore[assignment]


def sync() -> None:
    """Leave it to the kernel when commits reach the disk."""

    @event.listens_for(Pool, "checkout")
    def relax(connection: Any, *_: Any) -> None:
        connection.execute("PRAGMA synchronous=OFF").fetchall()


def synced_directories() -> None:
    """Leave it to the kernel when the name of a new file reaches the disk."""
    backup.sync_directory = lambda _: None  # type: ignore[attr-defined, assignment]


def closed_files() -> None:
    """Read the database as a plain file now and then, in each process that has it open."""

    def look() -> None:
        path = Path(os.environ["DATABASE_URL"].removeprefix("sqlite:///"))
        while True:
            time.sleep(0.05)
            with suppress(OSError):
                path.read_bytes()

    os.register_at_fork(after_in_child=threading.Thread(target=look, daemon=True).start)


def small_log() -> None:
    """No protection less, but a log that is put away after some commits: a test sees it happen."""
    for name, value in {"_CHECKPOINT_EVERY_COMMITS": 16, "_TRUNCATE_BEYOND_PAGES": 64}.items():
        assert hasattr(writer, name)
        setattr(writer, name, value)


def own_clock() -> None:
    """UTC by a clock of the test's: off by the seconds in the file FAULTS_CLOCK."""
    offset, now = Path(os.environ["FAULTS_CLOCK"]), base.utc_now

    def utc_now() -> datetime:
        return now() + timedelta(seconds=float(offset.read_text()))

    db.utc_now = base.utc_now = utc_now
    SqliteDatabase.clock = lambda _: utc_now()  # type: ignore[method-assign, assignment]


def fork_guards() -> None:
    """Preload as many do: what the master has open is inherited, and the children dispose of it
    as SQLAlchemy's manual has it, while the master closes its own a little later."""
    db.assert_no_connections = lambda: None
    JsonWorker.check_config = lambda *_: None  # type: ignore[method-assign]
    made: list[SqliteDatabase] = []
    make = SqliteDatabase.__init__

    def remember(database: SqliteDatabase, *given: Any, **named: Any) -> None:
        make(database, *given, **named)
        made.append(database)

    def inherit() -> None:
        for database in made:
            database._pid = None
            database._reading_engine.dispose(close=False)

    def close() -> None:
        for database in made:
            database._reading_engine.dispose()

    SqliteDatabase.__init__ = remember  # type: ignore[method-assign, assignment]
    os.register_at_fork(
        after_in_child=inherit, after_in_parent=lambda: threading.Timer(1.0, close).start()
    )


REMOVALS = {
    "with-a-clock-of-its-own": own_clock,
    "without-fork-guards": fork_guards,
    "with-a-small-log": small_log,
    "without-answer-after-commit": answer_after_commit,
    "without-another-try": another_try,
    "without-one-transaction": one_transaction,
    "without-kept-answers": kept_answers,
    "without-sync": sync,
    "without-synced-directories": synced_directories,
    "without-closed-files": closed_files,
}
