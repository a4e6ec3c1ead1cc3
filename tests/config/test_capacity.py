"""How much one process does at the same time: one equation, which all who need its figures use."""

import runpy
from pathlib import Path

import pytest
from sqlalchemy import make_url

from attendance.config.capacity import CONNECTIONS, DISPATCHING, READERS, SENDERS, SPARE, THREADS
from attendance.db import SqliteDatabase
from attendance.db.postgres.engine import pooled_engine

ROOT = Path(__file__).parents[2]


def test_whoever_serves_or_sends_finds_a_connection() -> None:
    assert (THREADS, SENDERS) == (8, 16)
    assert READERS == THREADS + SENDERS == 24
    assert CONNECTIONS == READERS + DISPATCHING + SPARE == 28


def test_gunicorn_has_these_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WEB_CONCURRENCY", raising=False)

    assert runpy.run_path(str(ROOT / "gunicorn.conf.py"))["threads"] == THREADS


def test_a_file_has_these_readers(tmp_path: Path) -> None:
    database = SqliteDatabase(tmp_path / "attendance.db")

    assert database._reading_engine.pool.size() == READERS  # type: ignore[attr-defined]


def test_a_server_gets_no_more_than_these_connections() -> None:
    pool = pooled_engine(make_url("postgresql+psycopg://nobody@nowhere/none"), lambda _: None).pool

    assert pool.size() + pool._max_overflow == CONNECTIONS  # type: ignore[attr-defined]
