"""What the service is measured against: each a WSGI application on the same gunicorn.

All take the same request and answer 201. Their shape is what its users would write, no worse.
"""

import logging
import os
import threading
from datetime import UTC, datetime
from pathlib import Path

import requests
from flask import Flask, request
from flask.typing import ResponseReturnValue
from replaying import KEY, PERSON, connected, kept, play
from sqlalchemy import create_engine, event
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

logger = logging.getLogger(__name__)


def bare() -> Flask:
    """Reads JSON, answers JSON, keeps nothing."""
    app = Flask(__name__)

    @app.post("/attendance")
    def post() -> ResponseReturnValue:
        said = request.get_json()
        return {"status": "SUCCESS", "message": f"{said['person_id']} {said['event']}"}, 201

    return app


def handbook() -> Flask:
    """A thread and a `requests.post` for each request; forgets what it had not sent."""
    app = Flask(__name__)
    url = f"{os.environ['TELEGRAM_API_BASE']}/bot{os.environ['TELEGRAM_BOT_TOKEN']}/sendMessage"
    chat_id = os.environ["TELEGRAM_CHAT_ID"]

    def send(text: str) -> None:
        try:
            answer = requests.post(url, json={"chat_id": chat_id, "text": text}, timeout=10)
            answer.raise_for_status()
        except requests.RequestException:
            logger.exception("not sent")

    @app.post("/attendance")
    def post() -> ResponseReturnValue:
        said = request.get_json()
        text = f"{said['person_id']} {said['event']}"
        threading.Thread(target=send, args=(text,), daemon=True).start()
        return {"status": "SUCCESS", "message": text}, 201

    return app


class _Base(DeclarativeBase):
    """Three tables, as a first version of an outbox has them."""


class _Attendance(_Base):
    __tablename__ = "attendance"
    id: Mapped[int] = mapped_column(primary_key=True)
    person_id: Mapped[str] = mapped_column(index=True)
    event: Mapped[str]
    occurred_at: Mapped[datetime]


class _Message(_Base):
    __tablename__ = "outbox"
    id: Mapped[int] = mapped_column(primary_key=True)
    status: Mapped[str] = mapped_column(index=True)
    chat_id: Mapped[str]
    text: Mapped[str]
    created_at: Mapped[datetime]


class _Audit(_Base):
    __tablename__ = "audit"
    id: Mapped[int] = mapped_column(primary_key=True)
    occurred_at: Mapped[datetime]
    actor: Mapped[str]
    action: Mapped[str]
    target_id: Mapped[int]


def naive() -> Flask:
    """Three ORM objects and a commit for each request, as durable as ours; nobody delivers."""
    app = Flask(__name__)
    engine = create_engine(os.environ["DATABASE_URL"])

    @event.listens_for(engine, "connect")
    def _(connection: object, _: object) -> None:
        cursor = connection.cursor()  # type: ignore[attr-defined]  # the driver's
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=FULL")

    @app.post("/attendance")
    def post() -> ResponseReturnValue:
        said, now = request.get_json(), datetime.now(UTC)
        person, what = said["person_id"], said["event"]
        with Session(engine) as session:
            record = _Attendance(person_id=person, event=what, occurred_at=now)
            session.add(record)
            session.flush()
            session.add(
                _Message(status="pending", chat_id="1", text=f"{person} {what}", created_at=now)
            )
            session.add(_Audit(occurred_at=now, actor="key", action=what, target_id=record.id))
            session.commit()
            return {"status": "SUCCESS", "id": record.id}, 201

    return app


def statements() -> Flask:
    """What our own POST has the database do, statement by statement, sent by psycopg alone: a
    connection for each thread."""
    app = Flask(__name__)
    steps, own = kept(Path(os.environ["SCRIPT"])), threading.local()

    @app.post("/attendance")
    def post() -> ResponseReturnValue:
        said, key = request.get_json(), request.headers["Idempotency-Key"]
        if not hasattr(own, "connection"):
            own.connection = connected(os.environ["DATABASE_URL"])
        play(own.connection, steps, {PERSON: said["person_id"], KEY: key})
        return {"status": "SUCCESS", "message": f"{said['person_id']} {said['event']}"}, 201

    return app


def make_naive_tables(url: str) -> None:
    engine = create_engine(url)
    _Base.metadata.create_all(engine)
    engine.dispose()
