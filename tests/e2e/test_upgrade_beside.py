"""An upgrade without a pause: the version that serves goes on while the next one changes the
schema, starts beside it and takes over. Control: a migration that takes something away.

The next version is a copy of this one with a migration more.
"""

import itertools
import os
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import requests
from postgres_server import PostgresServer
from service import NO_LIMITS, ROOT, Client, Service, telegram

from attendance.db import schema
from attendance.sandbox import Sandbox

WRITERS = 3
NEXT = "9001"
MIGRATION = """
import sqlalchemy as sa
from alembic import op

revision, down_revision = "{next}", "{head}"
branch_labels = depends_on = None


def upgrade() -> None:
    {change}
"""
ADDS = """op.create_table("later", sa.Column("id", sa.Integer(), primary_key=True))
    op.add_column("attendance", sa.Column("later", sa.Text(), nullable=True))
    op.create_index("ix_attendance_later", "attendance", ["later"])"""
TAKES_AWAY = """op.drop_column("attendance", "note")"""


@pytest.fixture(params=["sqlite", "postgresql"])
def where(request: pytest.FixtureRequest) -> Iterator[dict[str, str]]:
    """The settings that name a database: on SQLite a service's own."""
    if request.param == "sqlite":
        yield {}
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    with server.fresh() as url:
        yield {"DATABASE_URL": url}


def next_version(folder: Path, change: str) -> Path:
    """Where its code lies."""
    root = folder / "next"
    for name in ("attendance", "migrations"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("manage.py", "alembic.ini", "gunicorn.conf.py"):
        shutil.copy(ROOT / name, root / name)
    text = MIGRATION.format(next=NEXT, head=schema.head_revision(), change=change)
    (root / "migrations/versions" / f"{NEXT}_later.py").write_text(text)
    return root


@pytest.fixture
def make_next(
    tmp_path: Path, sandbox: Sandbox, where: dict[str, str]
) -> Iterator[Callable[[str], Service]]:
    """The next version's service, on the same database, which is not started yet."""
    with ExitStack() as stack:

        def make(change: str) -> Service:
            settings = {**telegram(sandbox), **where, **NO_LIMITS}
            service = Service(tmp_path, command=("serve",), **settings)
            service.root = next_version(tmp_path, change)
            stack.callback(service.kill)
            return service

        yield make


@contextmanager
def posting(client: Client, name: str) -> Iterator[list[requests.Response]]:
    """Posts by several writers until the end; what they were answered so far."""
    stopped, answers = threading.Event(), list[requests.Response]()

    def post(writer: int) -> None:
        for number in itertools.count():
            answers.append(client.post(f"{name}-{writer}-{number}"))
            if stopped.wait(0.03):
                return

    with ThreadPoolExecutor() as pool:
        writers = [pool.submit(post, writer) for writer in range(WRITERS)]
        try:
            yield answers
        finally:
            stopped.set()
    for writer in writers:
        writer.result()


def wait_for_more(answers: list[requests.Response], more: int) -> None:
    enough = len(answers) + more
    until(lambda: len(answers) >= enough)


def upgrade(version: Service) -> None:
    upgraded = version.manage("db", "upgrade")
    assert upgraded.returncode == 0, upgraded.stderr
    assert NEXT in upgraded.stdout


def test_the_old_version_serves_until_the_new_one_does_and_nothing_is_lost(
    sandbox: Sandbox,
    make_service: Callable[..., Service],
    make_next: Callable[[str], Service],
    make_client: Callable[..., Client],
    where: dict[str, str],
) -> None:
    old, new = make_service(**where, **NO_LIMITS), make_next(ADDS)
    client = make_client(old)
    with posting(client, "old") as olds:
        wait_for_more(olds, 20)
        upgrade(new)
        wait_for_more(olds, 20)
        before = set(old.worker_pids())
        os.kill(old.process.pid, signal.SIGHUP)  # its workers start on what they do not know
        until(lambda: before.isdisjoint(old.worker_pids()))
        new.start()
        with Client(new, client.key) as its, posting(its, "new") as news:
            wait_for_more(olds, 20)
            wait_for_more(news, 20)
    old.stop()
    with Client(new, client.key) as its, posting(its, "last") as lasts:
        wait_for_more(lasts, 20)

    answers = [*olds, *news, *lasts]
    assert {answer.status_code for answer in answers} == {201}
    messages = sandbox.wait_for(len(answers), timeout_seconds=30)
    assert len(messages) == len(answers)
    assert "The trail is intact." in new.manage("audit", "verify").stdout


def test_control_a_migration_that_takes_something_away_breaks_the_old_version(
    make_service: Callable[..., Service],
    make_next: Callable[[str], Service],
    make_client: Callable[..., Client],
    where: dict[str, str],
) -> None:
    old, new = make_service(**where, **NO_LIMITS), make_next(TAKES_AWAY)
    with posting(make_client(old), "old") as answers:
        wait_for_more(answers, 5)
        upgrade(new)
        wait_for_more(answers, 5)
    assert {answer.status_code for answer in answers} == {201, 500}


def until(holds: Callable[[], bool]) -> None:
    ends = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < ends
        time.sleep(0.02)
