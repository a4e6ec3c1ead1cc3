"""From the commit to the wire: how soon, and how many a second."""

import sqlite3
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from pathlib import Path

import requests
from load import GROUPS
from measuring import Figure, Form, NotReal, Target, figure, interleaved, ratios
from posting import count
from serving import NO_LIMITS, TOKEN, Server, contender, ours, prepared
from sink import Sink, running
from sqlalchemy import Connection

from attendance.db import utc_now
from attendance.notifications import routing
from attendance.outbox.queue import Draft, enqueue

_ALL_DELIVERED_SECONDS = 60.0
_IDLE_MESSAGES = 200
_PAUSE_SECONDS = 0.05
_LOOK_SECONDS = 0.0003
_FIRST_CHAT = 2000
_BACKLOG = 10_000


def lifted(form: Form, folder: Path) -> list[Figure]:
    """Against the handbook, with no limit set and a chat for each of 64 groups: posts a second,
    until the last of them was told. (Within a chat order allows one request at a time.)"""
    with prepared(folder / "ours.db") as database:
        database.write(_route_groups)
    with (
        running() as sink,
        ours(folder, sink, **NO_LIMITS) as mine,
        contender("handbook", folder, sink) as theirs,
    ):
        for server in (mine, theirs):
            _told(server, sink, 1.0)
        rates, others = interleaved(
            form.pairs,
            lambda: _told(mine, sink, form.slot_seconds),
            lambda: _told(theirs, sink, form.slot_seconds),
        )
    return [
        ratios("posted and told", rates, others, Target("least", 1.0)),
        figure("posted and told", "a second", rates),
    ]


def latency(form: Form, folder: Path) -> list[Figure]:
    """From the commit of a record to the arrival of its message, posted one at a time."""
    with prepared(folder / "ours.db") as database:
        database.write(_route_groups)
    with running() as sink, ours(folder, sink) as mine:
        with closing(sqlite3.connect(mine.database)) as watched, ThreadPoolExecutor(1) as pool:
            sent = [
                _post_one(mine, number, watched, pool)
                for number in range(max(10, _IDLE_MESSAGES // form.small))
            ]
        sink.wait_for(len(sent), _ALL_DELIVERED_SECONDS)
        arrived = {number: at for at, number in sink.arrivals()}
    waits = sorted(1000 * (arrived[number] - at) for number, at in sent)
    return [
        _at("commit to wire, p50", waits, 0.5, Target("most", 10)),
        _at("commit to wire, p95", waits, 0.95, Target("most", 50)),
    ]


def drain(form: Form, folder: Path) -> list[Figure]:
    """A backlog over 64 chats, without limits, against a bare loop of `Session.post`."""
    messages = _BACKLOG // form.small
    with running() as sink:
        rates, others = interleaved(
            max(1, form.pairs // 2),
            lambda: _drained(folder, sink, messages),
            lambda: _bare_loop(sink, messages),
        )
    return [
        ratios("messages", rates, others, Target("least", 0.8)),
        figure("messages", "a second", rates),
    ]


def _told(server: Server, sink: Sink, seconds: float) -> float:
    with server.awake():
        before, started = sink.count, time.monotonic()
        load = server.load(seconds).load
        sink.wait_for(before + load.accepted, _ALL_DELIVERED_SECONDS)
        return load.accepted / (time.monotonic() - started)


def _post_one(
    server: Server, number: int, watched: sqlite3.Connection, pool: ThreadPoolExecutor
) -> tuple[int, float]:
    """The message's number, and when its record was on disk, as seen by another process."""
    time.sleep(_PAUSE_SECONDS)
    before = _version(watched)
    posted = pool.submit(_answer, server, number)
    while _version(watched) == before:
        time.sleep(_LOOK_SECONDS)
    at = time.monotonic()
    return posted.result(), at


def _version(watched: sqlite3.Connection) -> int:
    """Another number after each commit of somebody else."""
    return int(watched.execute("PRAGMA data_version").fetchone()[0])


def _answer(server: Server, number: int) -> int:
    person = {"person_id": f"p{number}", "event": "check_in", "group": f"g{number % GROUPS}"}
    headers = {"Authorization": f"Bearer {server.key}"}
    answer = requests.post(server.url, json=person, headers=headers, timeout=30)
    answer.raise_for_status()
    return int(answer.json()["notifications"][0]["id"])


def _route_groups(connection: Connection) -> None:
    """A chat of its own for each group, so that the pace of one is never what is measured."""
    for group in range(GROUPS):
        conditions = [routing.Conditions(group=f"g{group}")]
        routing.add(connection, utc_now(), str(_FIRST_CHAT + group), None, conditions)


def _drained(folder: Path, sink: Sink, messages: int) -> float:
    """Messages a second, from the first arrival to the last."""
    fresh = Path(tempfile.mkdtemp(dir=folder))
    with prepared(fresh / "ours.db") as database:
        database.write(partial(_enqueue, messages))
    before = sink.count
    with ours(fresh, sink, **NO_LIMITS):
        sink.wait_for(before + messages, _ALL_DELIVERED_SECONDS)
        _wait_until_settled(fresh / "ours.db", messages)
    return _rate_since(sink, before)


def _enqueue(messages: int, connection: Connection) -> None:
    now = utc_now()
    for number in range(messages):
        chat = str(_FIRST_CHAT + number % GROUPS)
        enqueue(connection, now, Draft(chat, f"Ada {number} checked in", "bench"))


def _wait_until_settled(database: Path, messages: int) -> None:
    deadline = time.monotonic() + 10
    while (sent := count(database, "outbox", "status = 'sent'")) < messages:
        if time.monotonic() > deadline:
            raise NotReal(f"{sent} of {messages} are marked as sent")
        time.sleep(0.1)


def _bare_loop(sink: Sink, messages: int) -> float:
    before = sink.count
    with requests.Session() as session:
        for number in range(messages):
            message = {"chat_id": "1", "text": f"Ada checked in\n#{number}"}
            url = f"{sink.url}/bot{TOKEN}/sendMessage"
            session.post(url, json=message, timeout=10).raise_for_status()
    return _rate_since(sink, before)


def _rate_since(sink: Sink, before: int) -> float:
    times = sorted(at for at, _ in sink.arrivals()[before:])
    return (len(times) - 1) / (times[-1] - times[0])


def _at(what: str, waits: list[float], share: float, target: Target) -> Figure:
    value = waits[min(len(waits) - 1, int(share * len(waits)))]
    return Figure(what, "ms", value, waits[0], waits[-1], target)
