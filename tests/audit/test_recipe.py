"""The auditor's recipe for reading the live file: with SQLite, and with Datasette itself."""

import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import requests
from ports import free_port
from service_process import wait_until
from trails import ADA, Trail

from attendance.audit import append

pytestmark = pytest.mark.slow

PAGE = (Path(__file__).parents[2] / "docs" / "auditor.md").read_text(encoding="utf-8")
METADATA = PAGE.partition("```yaml\n")[2].partition("```")[0]
SQL = METADATA.partition("sql: |\n")[2]
SECRET = ("api_key", "idempotency_key", "service_secret")

NO_SQL = ("--setting", "default_allow_sql", "off")
Read = Callable[[Path], list[dict[str, Any]]]


def by_sqlite(path: Path) -> list[dict[str, Any]]:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute(SQL)]


def by_datasette(path: Path) -> list[dict[str, Any]]:
    with datasette(path, METADATA, *NO_SQL) as url:
        found = requests.get(f"{url}/refusals.json", {"_shape": "array"}, timeout=5)
    rows: list[dict[str, Any]] = found.json()
    return rows


@contextmanager
def datasette(path: Path, metadata: str, *options: str) -> Iterator[str]:
    """The address of the database in a browser."""
    port = str(free_port())
    file = path.with_name("metadata.yaml")
    file.write_text(metadata, encoding="utf-8")
    url = f"http://127.0.0.1:{port}"
    served = [*options, str(path), "-p", port]
    command = [sys.executable, "-m", "datasette", "serve", "-m", str(file), *served]

    def listens() -> bool:
        try:
            return requests.get(url, timeout=5).ok
        except requests.ConnectionError:
            return False

    with subprocess.Popen(command) as server:
        try:
            wait_until(listens)
            yield f"{url}/{path.stem}"
        finally:
            server.kill()


without_datasette = pytest.mark.skipif(
    find_spec("datasette") is None, reason="needs Datasette: pip install -e '.[e2e]'"
)


@pytest.mark.parametrize("read", [by_sqlite, pytest.param(by_datasette, marks=without_datasette)])
def test_the_recipe_sees_the_latest_rows_of_the_live_file(trail: Trail, read: Read) -> None:
    for _ in range(3):
        trail.database.write(
            lambda c: append(c, trail.now, ADA, "attendance.recorded", outcome="refused")
        )

    assert read(trail.database.sidecar("")) == [
        {
            "day": "2026-11-23",
            "action": "attendance.recorded",
            "actor_name": "door",
            "source_ip": "192.0.2.7",
            "refusals": 3,
        }
    ]
    trail.record()  # the reader has taken no lock with it


def _shown(url: str) -> tuple[set[str], set[str]]:
    """Of the secret tables those that are listed, and those that can be read, by whatever way."""
    listed = {one["name"] for one in requests.get(f"{url}.json", timeout=5).json()["tables"]}
    ways = {
        table: (
            requests.get(f"{url}/{table}.json", timeout=5),
            requests.get(f"{url}.json", {"sql": f"SELECT * FROM {table}"}, timeout=5),  # noqa: S608
        )
        for table in SECRET
    }
    read = {table for table, answers in ways.items() if any(answer.ok for answer in answers)}
    assert "audit" in listed
    return listed & set(SECRET), read


@without_datasette
def test_the_recipe_shows_no_secrets(trail: Trail) -> None:
    with datasette(trail.path, METADATA, *NO_SQL) as url:
        assert _shown(url) == (set(), set())


@without_datasette
def test_without_what_the_recipe_says_it_would(trail: Trail) -> None:
    """The control."""
    with datasette(trail.path, "{}") as url:
        assert _shown(url) == (set(SECRET), set(SECRET))


def test_the_readers_are_those_of_the_recipe() -> None:
    options = " ".join(("-m metadata.yaml", *NO_SQL))
    assert f"datasette serve {options} /var/lib/attendance/attendance.db" in PAGE
    assert "without `-i`, which" in PAGE
