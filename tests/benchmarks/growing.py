"""What a past costs: posts, claims and looks beside a million settled messages, and memory."""

import statistics
import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path

from filling import CHATS, fill, hold
from measuring import Figure, Form, NotReal, Target, figure, interleaved, ratios
from posting import count
from processes import resident_mib
from serving import Server, ours, prepared
from sink import running

from attendance.db import Database, utc_now
from attendance.outbox import claim, queue
from attendance.outbox.types import Policy

_SETTLED = 1_000_000
_WAITING = 100_000
_POSTS = 100_000
_AT_MOST = Target("most", 1.2)
_TURNS = 40


def a_million_rows(form: Form, folder: Path) -> list[Figure]:
    """With 1,000,000 settled and 100,000 waiting messages, against 64 that wait."""
    large, small = folder / "large", folder / "small"
    _make(large, settled=_SETTLED // form.small, waiting=_WAITING // form.small)
    _make(small, settled=0, waiting=CHATS)
    figures = _claims_and_looks(form, large, small)
    figures.append(_posts(form, large, small, "POST while the backlog is told"))
    for database in (large, small):
        hold(database / "ours.db")
    return [*figures, _posts(form, large, small, "POST", _AT_MOST)]


def memory(form: Form, folder: Path) -> list[Figure]:
    """What the workers hold, and how that grows over 100,000 posts."""
    with running() as sink, ours(folder, sink) as mine:
        _post_at_least(mine, _POSTS // form.small // 5)
        before = _memory(mine)
        samples = []
        while count(mine.database, "attendance") < _POSTS // form.small:
            mine.load(form.slot_seconds)
            samples.append(_memory(mine))
    grown = [after - first for first, after in zip(before, samples[-1], strict=True)]
    return [
        figure("a worker's own memory", "MiB", [one for sample in samples for one in sample]),
        figure("growth over the posts", "MiB", grown, Target("most", 5.0)),
    ]


def _make(folder: Path, *, settled: int, waiting: int) -> None:
    folder.mkdir()
    fill(folder / "ours.db", settled=settled, waiting=waiting)


def _claims_and_looks(form: Form, large: Path, small: Path) -> list[Figure]:
    """The look that every wake-up makes, and a claim given back, in this process."""
    figures = []
    with prepared(large / "ours.db") as full, prepared(small / "ours.db") as empty:
        acts: dict[str, Callable[[Database], object]] = {"wake-up": _look, "claim": _claim}
        for name, act in acts.items():
            times = interleaved(form.pairs, partial(_timed, act, full), partial(_timed, act, empty))
            figures += [ratios(name, *times, target=_AT_MOST), figure(name, "ms", times[0])]
    return figures


def _posts(form: Form, large: Path, small: Path, what: str, target: Target | None = None) -> Figure:
    with running() as sink, ours(large, sink) as full, ours(small, sink) as empty:
        times = interleaved(
            form.pairs,
            partial(_seconds_a_post, full, form.slot_seconds),
            partial(_seconds_a_post, empty, form.slot_seconds),
        )
    return ratios(what, *times, target=target)


def _seconds_a_post(server: Server, seconds: float) -> float:
    with server.awake():
        return 1 / server.load(seconds).load.per_second


def _timed(act: Callable[[Database], object], database: Database) -> float:
    """The median time of one, in milliseconds."""
    times = []
    for _ in range(_TURNS):
        started = time.perf_counter()
        act(database)
        times.append(1000 * (time.perf_counter() - started))
    return statistics.median(times)


_POLICY = Policy(lease=timedelta(seconds=60), give_up_after=timedelta(days=30))
_TERMS = claim.Terms("bench", lambda: "t" * 32, _POLICY, lambda *_: None)


def _look(database: Database) -> None:
    with database.snapshot() as connection:
        if queue.next_due(connection, utc_now(), _POLICY) is None:
            raise NotReal("Nothing waits.")


def _claim(database: Database) -> None:
    now = utc_now()
    claims = database.write(lambda c: claim.claim(c, now, 1, _TERMS))
    if len(claims) != 1:
        raise NotReal(f"{len(claims)} claims")
    database.write(lambda c: claim.release(c, now, claims[0]))


def _post_at_least(server: Server, posts: int) -> None:
    while count(server.database, "attendance") < posts:
        server.load(1.0)


def _memory(server: Server) -> list[float]:
    return [resident_mib(pid) for pid in server.workers]
