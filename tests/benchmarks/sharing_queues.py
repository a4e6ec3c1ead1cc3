"""The queue on PostgreSQL beside procrastinate: into it and out of it, with 1, 2 and 4 processes.

procrastinate keeps the order of jobs that share a lock, as we that of a chat's messages; without a
lock it keeps none, and finds the next job sooner.
"""

import asyncio
import time
from itertools import count
from pathlib import Path
from typing import Any

from measuring import Figure, Form
from procrastinate import App, PsycopgConnector, SyncPsycopgConnector
from procrastinate.jobs import Status
from replaying import connected, driver_s
from serving import prepared_at
from sharing import Side, durable_server, repeated, side_by_side
from sharing_claims import BACKLOG, CHATS, SENT, claimed, fill

from attendance.db import Database, utc_now
from attendance.outbox.queue import Draft, enqueue

_TEXT = "✅ *Ada Lovelace* checked in\n09:00 · Mon 23 Nov · HQ"
_OURS = "SELECT count(*) FROM outbox"
_THEIRS = "SELECT count(*) FROM procrastinate_jobs"
_SUCCEEDED = "SELECT count(*) FROM procrastinate_jobs WHERE status = 'succeeded'"


def puts(form: Form, folder: Path) -> list[Figure]:  # noqa: ARG001 - the server has its own
    """A message for one of 64 chats, committed, against procrastinate's `defer` with its own
    connector for synchronous programs."""
    with durable_server() as server, server.fresh() as url, server.fresh() as other:
        with prepared_at(url):
            pass
        _make_tables(other)
        mine, theirs = Side(_enqueued, url, _OURS), Side(_deferred, other, _THEIRS)
        return side_by_side(form, server, mine, theirs, "put", "procrastinate", least=1.0)


def takes(form: Form, folder: Path) -> list[Figure]:  # noqa: ARG001 - the server has its own
    """A claim, settled, over 64 chats, against the `fetch_job` and `finish_job` of procrastinate's
    worker, which are asynchronous; with a lock for each chat."""
    return _takes(form, "(2000 + i % 64)::text")


def takes_without_order(form: Form, folder: Path) -> list[Figure]:  # noqa: ARG001 - as above
    """The same, where procrastinate keeps no order."""
    return _takes(form, "NULL")


def _takes(form: Form, lock: str) -> list[Figure]:
    """`lock`: that of the i-th job, in SQL."""
    with durable_server() as server, server.fresh() as url, server.fresh() as other:
        fill(url, BACKLOG // form.small)
        _fill_theirs(other, BACKLOG // form.small, lock)
        mine, theirs = Side(claimed, url, SENT), Side(_fetched, other, _SUCCEEDED)
        return side_by_side(form, server, mine, theirs, "take", "procrastinate", least=1.0)


def _enqueued(url: str, seconds: float) -> tuple[int, float]:
    database, chats = Database.at(url), count()

    def put(_: str) -> int:
        now, draft = utc_now(), Draft(str(2000 + next(chats) % CHATS), _TEXT, "bench")
        return database.write(lambda connection: enqueue(connection, now, draft))

    try:
        return repeated(put, seconds)
    finally:
        database.close()


def _deferred(url: str, seconds: float) -> tuple[int, float]:
    app, chats = _app(SyncPsycopgConnector(conninfo=driver_s(url))), count()

    def put(_: str) -> int:
        lock = str(2000 + next(chats) % CHATS)
        return app.tasks["tell"].configure(lock=lock).defer(text=_TEXT)

    with app.open():
        return repeated(put, seconds)


def _fetched(url: str, seconds: float) -> tuple[int, float]:
    return asyncio.run(_fetch_and_finish(url, seconds))


async def _fetch_and_finish(url: str, seconds: float) -> tuple[int, float]:
    """As its worker does, one after the other."""
    app = _app(PsycopgConnector(conninfo=driver_s(url)))
    async with app.open_async():
        manager = app.job_manager
        worker = await manager.register_worker()
        ends_at, before = time.monotonic() + seconds, time.process_time()
        for number in count():
            if time.monotonic() > ends_at:
                return number, time.process_time() - before
            job = await manager.fetch_job(None, worker)
            assert job is not None
            await manager.finish_job(job, Status.SUCCEEDED, delete_job=False)
    raise AssertionError


def _app(connector: Any) -> App:
    app = App(connector=connector)

    @app.task(name="tell")
    def tell(text: str) -> None:
        """Nobody runs it."""

    return app


def _make_tables(url: str) -> None:
    app = _app(SyncPsycopgConnector(conninfo=driver_s(url)))
    with app.open():
        app.schema_manager.apply_schema()


def _fill_theirs(url: str, jobs: int, lock: str) -> None:
    """Jobs that are due."""
    _make_tables(url)
    waiting = f"""INSERT INTO procrastinate_jobs (queue_name, task_name, lock, args)
        SELECT 'default', 'tell', {lock}, '{{"text": "Ada Lovelace checked in"}}'
        FROM generate_series(1, {jobs}) AS i"""  # noqa: S608 - our own words
    with connected(url) as connection:
        connection.execute(waiting)
        connection.commit()
        connection.autocommit = True
        connection.execute("VACUUM ANALYZE")
