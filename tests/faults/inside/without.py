"""Takes one protection away from a service, for the controls: the checker has to notice."""

import io
import os
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from flask import Flask
from sqlalchemy import event
from sqlalchemy.pool import Pool

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


def sync() -> None:
    """Leave it to the kernel when commits reach the disk."""

    @event.listens_for(Pool, "checkout")
    def relax(connection: Any, *_: Any) -> None:
        connection.execute("PRAGMA synchronous=OFF").fetchall()


def closed_files() -> None:
    """Read the database as a plain file now and then, in each process that has it open."""

    def look() -> None:
        path = Path(os.environ["DATABASE_URL"].removeprefix("sqlite:///"))
        while True:
            time.sleep(0.05)
            with suppress(OSError):
                path.read_bytes()

    os.register_at_fork(after_in_child=threading.Thread(target=look, daemon=True).start)


REMOVALS = {
    "without-answer-after-commit": answer_after_commit,
    "without-sync": sync,
    "without-closed-files": closed_files,
}
