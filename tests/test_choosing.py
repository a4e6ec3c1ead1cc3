"""What runs by which mark, in how many processes, and first."""

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from choosing import _SERVERS, MARKS, in_order, marks_of, processes, spread

TESTS = Path(__file__).parent
NAMES = [line.partition(":")[0] for line in MARKS]


def _config(*, plugin: bool = True, args: tuple[str, ...] = (str(TESTS),), **options: Any) -> Any:
    """As pytest has read a command line; `options` are those that it names."""
    unsaid: dict[str, Any] = {"numprocesses": None, "tx": [], "dist": "no", "maxschedchunk": None}
    look = {"usepdb": False, "collectonly": False, "capture": "fd"}
    return SimpleNamespace(
        pluginmanager=SimpleNamespace(hasplugin=lambda name: plugin and name == "xdist"),
        option=SimpleNamespace(**{**unsaid, **look, **options}),
        args=list(args),
    )


def test_whole_folders_run_on_all_cores() -> None:
    config = _config(args=(str(TESTS), str(TESTS / "web")))
    spread(config)
    assert (config.option.numprocesses, config.option.dist) == ("auto", "load")


@pytest.mark.parametrize(
    ("options", "numprocesses"),
    [
        ({"numprocesses": 0}, 0),
        ({"numprocesses": 3}, 3),
        ({"usepdb": True}, None),
        ({"collectonly": True}, None),
        ({"capture": "no"}, None),
        ({"plugin": False}, None),
        ({"args": (__file__,)}, None),
        ({"args": (f"{__file__}::test_whole_folders_run_on_all_cores",)}, None),
    ],
)
def test_a_wish_of_the_command_s_holds_and_what_one_looks_into_runs_here(
    options: dict[str, Any], numprocesses: int | None
) -> None:
    config = _config(**options)
    spread(config)
    assert (config.option.numprocesses, config.option.dist) == (numprocesses, "no")


def test_a_process_that_runs_a_part_starts_none() -> None:
    config = _config()
    config.workerinput = {}
    spread(config)
    assert config.option.numprocesses is None


def test_there_are_more_processes_than_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTEST_XDIST_AUTO_NUM_WORKERS", raising=False)
    assert processes() == 2 * len(os.sched_getaffinity(0))


def test_the_environment_s_number_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_XDIST_AUTO_NUM_WORKERS", "1")
    assert processes() is None


@pytest.fixture
def items(request: pytest.FixtureRequest) -> list[pytest.Item]:
    """All tests of this run."""
    return request.session.items


def test_tests_are_marked_by_their_folder_and_no_other_is(items: list[pytest.Item]) -> None:
    for folder in ("e2e", "faults", "benchmarks"):
        marked = {item.nodeid for item in items if item.get_closest_marker(folder)}
        assert marked == {item.nodeid for item in items if item.path.parent.name == folder}


@pytest.mark.both_databases
def test_what_runs_on_postgresql_is_marked(
    database_url: str, request: pytest.FixtureRequest
) -> None:
    is_marked = request.node.get_closest_marker("postgres") is not None
    assert is_marked == database_url.startswith("postgresql")
    assert list(marks_of(request.node)) == ["postgres"] * is_marked


def test_what_asks_for_a_server_of_its_own_is_marked(items: list[pytest.Item]) -> None:
    asks = [item for item in items if _SERVERS & set(getattr(item, "fixturenames", ()))]
    assert all(item.get_closest_marker("postgres") for item in asks)


def _item(name: str, *marks: str) -> Any:
    return SimpleNamespace(name=name, get_closest_marker=lambda mark: mark in marks or None)


def test_what_has_others_stand_still_comes_first_and_what_is_long_is_spread_among_the_rest() -> (
    None
):
    long = [_item(f"long {number}", mark) for number, mark in enumerate(("e2e", "slow", "faults"))]
    rest = [_item(f"short {number}", "postgres") for number in range(20)]
    alone = [_item("alone", "e2e", "alone")]
    calm = [_item("calm 0", "e2e", "calm"), _item("calm 1", "calm")]

    names = [item.name for item in in_order([*rest, *long, *alone, *calm])]

    # Each process is given two to begin with: a calm one and what comes after it.
    assert names[:3] == ["calm 0", "alone", "calm 1"]
    assert all("short" in name for name in names[3:11])
    assert [name for name in names if "short" in name] == [item.name for item in rest]
    assert [names.index(item.name) for item in long] == [11, 16, 20]
    assert "short" in names[-1]


def test_this_run_is_in_that_order(items: list[pytest.Item]) -> None:
    assert items == in_order(items)


def test_the_readme_tells_of_each_mark() -> None:
    readme = (TESTS / "README.md").read_text(encoding="utf-8")
    assert [name for name in NAMES if f"| `{name}` |" not in readme] == []
