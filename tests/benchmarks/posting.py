"""POST /attendance against what one would write without an outbox, in interleaved pairs."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from measuring import Figure, Form, NotReal, Target, figure, interleaved, ratios
from serving import Measured, Server, contender, ours
from sink import Sink, running
from slow_sync import compiled

_WARM_UP_SECONDS = 1.0


def bare_flask(form: Form, folder: Path) -> list[Figure]:
    """Against an endpoint that reads and answers JSON and keeps nothing."""
    with _pair("bare", folder) as (sink, mine, theirs):
        slots, others = _slots(form, mine, theirs)
        _prove(mine, slots)
        _prove_delivery(sink, mine)
    return [
        ratios("throughput", _rates(slots), _rates(others), Target("least", 0.3)),
        ratios("CPU a request", _cpu(slots), _cpu(others), Target("most", 3.0)),
        figure("throughput", "requests/s", _rates(slots)),
        figure("CPU a request", "ms", _cpu(slots)),
        figure("bare Flask: CPU a request", "ms", _cpu(others)),
    ]


def handbook(form: Form, folder: Path) -> list[Figure]:
    """Against a thread and a `requests.post` for each request; ours at the default pace."""
    with _pair("handbook", folder) as (_, mine, theirs):
        slots, others = _slots(form, mine, theirs)
        _prove(mine, slots)
    return [ratios("throughput", _rates(slots), _rates(others), Target("least", 1.5))]


def naive(form: Form, folder: Path) -> list[Figure]:
    """Against three ORM objects and a commit for each request."""
    return _against_naive(form, folder, 2.5)


def naive_slow_disk(form: Form, folder: Path) -> list[Figure]:
    """The same, with 4 ms added to every sync of the disk."""
    shim = compiled(folder)
    return _against_naive(form, folder, 4.0, LD_PRELOAD=str(shim))


def key_limit(form: Form, folder: Path) -> list[Figure]:
    """With a limit for each key against without."""
    places = folder / "with", folder / "without"
    for place in places:
        place.mkdir()
    with (
        running() as sink,
        ours(places[0], sink) as limited,
        ours(places[1], sink, RATE_LIMIT_KEY="off") as unlimited,
    ):
        for server in (limited, unlimited):
            _slot(server, _WARM_UP_SECONDS)
        slots, others = _slots(form, limited, unlimited)
        _prove(limited, slots)
    return [
        ratios("CPU a request", _cpu(slots), _cpu(others), Target("most", 1.02)),
        ratios("throughput", _rates(slots), _rates(others)),
    ]


def _against_naive(form: Form, folder: Path, least: float, **settings: str) -> list[Figure]:
    with _pair("naive", folder, **settings) as (_, mine, theirs):
        slots, others = _slots(form, mine, theirs)
        _prove(mine, slots)
        _prove(theirs, others)
    return [
        ratios("throughput", _rates(slots), _rates(others), Target("least", least)),
        ratios("p99", _tails(slots), _tails(others), Target("most", 0.25)),
        figure("throughput", "requests/s", _rates(slots)),
        figure("p99", "ms", _tails(slots)),
    ]


@contextmanager
def _pair(name: str, folder: Path, **settings: str) -> Iterator[tuple[Sink, Server, Server]]:
    """The service and a contender, warmed up and frozen, and what both deliver to."""
    with (
        running() as sink,
        ours(folder, sink, **settings) as mine,
        contender(name, folder, sink, **settings) as theirs,
    ):
        for server in (mine, theirs):
            _slot(server, _WARM_UP_SECONDS)
        yield sink, mine, theirs


def _slots(form: Form, mine: Server, theirs: Server) -> tuple[list[Measured], list[Measured]]:
    seconds = form.slot_seconds
    return interleaved(form.pairs, lambda: _slot(mine, seconds), lambda: _slot(theirs, seconds))


def _slot(server: Server, seconds: float) -> Measured:
    with server.awake():
        return server.load(seconds)


def _rates(slots: list[Measured]) -> list[float]:
    return [slot.load.per_second for slot in slots]


def _tails(slots: list[Measured]) -> list[float]:
    return [slot.load.p99_ms for slot in slots]


def _cpu(slots: list[Measured]) -> list[float]:
    return [slot.cpu_ms_per_request for slot in slots]


def _prove(server: Server, slots: list[Measured]) -> None:
    """Each request that was accepted is in the database, in each of the tables."""
    accepted = sum(slot.load.accepted for slot in slots)
    for table in ("attendance", "outbox", "audit"):
        rows = count(server.database, table)
        if rows < accepted:
            raise NotReal(f"{accepted} were accepted, and {table} has {rows} rows")


def _prove_delivery(sink: Sink, server: Server) -> None:
    """The dispatcher was at work: what was told meanwhile is marked as sent."""
    told, sent = sink.count, count(server.database, "outbox", "status = 'sent'")
    if not 0 < told <= sent:
        raise NotReal(f"{told} requests arrived, and {sent} messages are sent")


def count(database: Path, table: str, condition: str = "1") -> int:
    connection = sqlite3.connect(database, timeout=30)
    try:
        query = f"SELECT count(*) FROM {table} WHERE {condition}"  # noqa: S608 - our own words
        return int(connection.execute(query).fetchone()[0])
    finally:
        connection.close()
