"""Which marks a test has, in which order tests begin, and in how many processes they run."""

import os
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from operator import itemgetter
from pathlib import Path

import pytest
from taking_turns import Kind

MARKS = (
    "both_databases: runs on SQLite and on PostgreSQL",
    "sqlite_only: not on PostgreSQL, though its module is",
    "alone: measures, with no other test beside it",
    "calm: keeps a pace, with none beside it but its like",
    "e2e: starts the service as its users do (all in the folder e2e)",
    "faults: harms the service while it runs (all in the folder faults)",
    "benchmarks: runs the benchmarks (all in the folder benchmarks)",
    "postgres: needs PostgreSQL",
    "slow: takes a tenth of a second of a core or more, or seconds of waiting",
)
_TESTS = Path(__file__).parent
_FOLDERS = ("e2e", "faults", "benchmarks")
_SERVERS = {"postgres", "durable_postgres", "restarted_postgres"}
_LONG = (*_FOLDERS, "slow")
_ENDS_OF_THE_LONG = 0.8
_SHORT_AT_FIRST = 8
_PROCESSES_A_CORE = 2


def marks_of(item: pytest.Item) -> Iterator[str]:
    """The marks that a test has from its folder, and from what it asks for."""
    folder = item.path.relative_to(_TESTS).parts[0]
    if folder in _FOLDERS:
        yield folder
    if _asks_for_postgres(item):
        yield "postgres"


def _asks_for_postgres(item: pytest.Item) -> bool:
    callspec = getattr(item, "callspec", None)
    kind = callspec.params.get("database_url") if callspec else None
    return kind == "postgres" or not _SERVERS.isdisjoint(getattr(item, "fixturenames", ()))


def in_order(items: Sequence[pytest.Item]) -> list[pytest.Item]:
    """First what has others stand still, before they have begun: a calm one for each process, and
    a short one where there are more processes. Then what takes long, spread among the rest, since
    it waits while they work; and none of it at the end, by itself."""
    ranked: dict[str, list[pytest.Item]] = {"calm": [], "alone": [], "long": [], "rest": []}
    for item in items:
        ranked[_rank(item)].append(item)
    calm, alone, long, rest = ranked.values()
    first = [one for pair in zip_longest(calm, alone) for one in pair if one]
    short, rest = rest[:_SHORT_AT_FIRST], rest[_SHORT_AT_FIRST:]
    places = [*_places(long, _ENDS_OF_THE_LONG), *_places(rest, 1.0)]
    return [*first, *short, *(item for _, item in sorted(places, key=itemgetter(0)))]


def _rank(item: pytest.Item) -> str:
    kind = kind_of(item)
    if kind != "crowd":
        return kind
    return "long" if any(map(item.get_closest_marker, _LONG)) else "rest"


def kind_of(item: pytest.Item) -> Kind:
    """Return beside which others it may run."""
    if item.get_closest_marker("alone"):
        return "alone"
    return "calm" if item.get_closest_marker("calm") else "crowd"


def _places(items: Sequence[pytest.Item], end: float) -> list[tuple[float, pytest.Item]]:
    """Evenly from 0 to `end`, in the order that they have."""
    return [(number * end / len(items), item) for number, item in enumerate(items)]


def processes() -> int | None:
    """How many to run, of which most wait at any time; None where the environment says it."""
    if "PYTEST_XDIST_AUTO_NUM_WORKERS" in os.environ:
        return None
    return len(os.sched_getaffinity(0)) * _PROCESSES_A_CORE


def spread(config: pytest.Config) -> None:
    """Use all cores for whole folders, where the command has no wish of its own."""
    if config.pluginmanager.hasplugin("xdist") and _may_spread(config):
        config.option.numprocesses = "auto"
        config.option.dist = "load"
        config.option.maxschedchunk = 1


def _may_spread(config: pytest.Config) -> bool:
    """A few tests are over before other processes have begun; who looks into one wants it here,
    and a process that was started for a part of the tests starts none itself."""
    option = config.option
    wishes = (option.tx, option.usepdb, option.collectonly, option.capture == "no")
    unsaid = option.numprocesses is None and not any(wishes)
    return unsaid and not hasattr(config, "workerinput") and all(map(os.path.isdir, config.args))
