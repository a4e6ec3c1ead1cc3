"""A PostgreSQL whose commits are on the disk, and what its clients and it spend together: what they
have it compute is counted with what they compute themselves."""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import count
from multiprocessing import get_context

from measuring import Figure, Form, NotReal, Target, figure, interleaved, ratios
from postgres_server import HOW_TO_GET_IT, PostgresServer, binaries
from postgres_server import running as running_server
from processes import cpu_seconds_of_all
from replaying import connected

PROCESSES = (1, 2, 4)
# As PostgreSQL is set by itself.
_SETTINGS = {
    "fsync": "on",
    "full_page_writes": "on",
    "autovacuum": "on",
    "shared_buffers": "128MB",
}

Rounds = Callable[[str, float], tuple[int, float]]
"""Does the same again and again in a database for so many seconds: how many times, and the CPU
seconds of its process."""


@dataclass(frozen=True, slots=True)
class Spent:
    """So much was done in `seconds`, for so many seconds of processor time."""

    done: int
    seconds: float
    cpu_seconds: float

    @property
    def per_second(self) -> float:
        return self.done / self.seconds

    @property
    def per_core(self) -> float:
        return self.done / self.cpu_seconds


@contextmanager
def durable_server() -> Iterator[PostgresServer]:
    """A PostgreSQL whose commits are on the disk."""
    place = binaries()
    if place is None:
        raise NotReal(HOW_TO_GET_IT)
    with running_server(place, **_SETTINGS) as server:
        yield server


def numbers(form: Form) -> tuple[int, ...]:
    """With how many processes to measure."""
    return PROCESSES if form.small == 1 else PROCESSES[:1]


def compared(
    what: str, other: str, mine: Sequence[Spent], theirs: Sequence[Spent], least: float
) -> list[Figure]:
    """What `other` does as fast, and for as much of a core."""
    rates, others = [one.per_second for one in mine], [one.per_second for one in theirs]
    cores, other_cores = [one.per_core for one in mine], [one.per_core for one in theirs]
    return [
        figure(what, "a second", rates),
        figure(f"{what}, {other}", "a second", others),
        ratios(f"{what}: to {other}", rates, others),
        ratios(f"{what}: per core spent", cores, other_cores, Target("least", least)),
    ]


@dataclass(frozen=True, slots=True)
class Side:
    """One of two that are compared: what it does, where, and how many times that was done as the
    database has it."""

    rounds: Rounds
    url: str
    counted: str


def side_by_side(
    form: Form,
    server: PostgresServer,
    mine: Side,
    theirs: Side,
    what: str,
    other: str,
    least: float,
) -> list[Figure]:
    """Both, in pairs, by each number of processes."""
    figures = []
    for processes in numbers(form):
        slots = interleaved(
            max(1, form.pairs // 2),
            partial(_by, processes, server, mine, form.slot_seconds),
            partial(_by, processes, server, theirs, form.slot_seconds),
        )
        figures += compared(f"{what}, {processes}", other, *slots, least=least)
    return figures


def _by(processes: int, server: PostgresServer, side: Side, seconds: float) -> Spent:
    """By so many processes at once, which have all started before the time counts."""
    context = get_context("spawn")
    all_there = context.Barrier(processes).wait
    with ProcessPoolExecutor(processes, context, initializer=all_there) as pool:
        list(pool.map(abs, range(processes)))
        before, spent_before, started = counted(side), spent_by(server), time.monotonic()
        told = list(pool.map(side.rounds, [side.url] * processes, [seconds] * processes))
        took, spent = time.monotonic() - started, spent_by(server) - spent_before
    done, noted = sum(number for number, _ in told), counted(side) - before
    if not 0 < done == noted:
        raise NotReal(f"{done} are said to be done, the database knows of {noted}")
    return Spent(done, took, sum(cpu for _, cpu in told) + spent)


def repeated(act: Callable[[str], object], seconds: float) -> tuple[int, float]:
    """`Rounds` of an act, which is told a word that is new each time."""
    prefix, ends_at = str(time.monotonic_ns()), time.monotonic() + seconds
    before = time.process_time()
    for number in count():
        if time.monotonic() > ends_at:
            return number, time.process_time() - before
        act(f"{prefix}-{number}")
    raise AssertionError


def counted(side: Side) -> int:
    with connected(side.url) as connection:
        return int(connection.execute(side.counted).fetchone()[0])


def spent_by(server: PostgresServer) -> float:
    """CPU seconds of the server, of all its processes."""
    pid = (server.place / "data/postmaster.pid").read_text().split()[0]
    return cpu_seconds_of_all(int(pid))
