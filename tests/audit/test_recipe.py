"""The README's recipe for reading the live file: with SQLite, and with Datasette itself."""

import json
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import requests
from service_process import wait_until
from trails import ADA, Trail

from attendance.audit import record

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
SQL = "SELECT" + README.partition("```sql\nSELECT")[2].partition("```")[0]

Read = Callable[[Path, str], list[dict[str, Any]]]


def by_sqlite(path: Path, query: str) -> list[dict[str, Any]]:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute(query)]


def by_datasette(path: Path, query: str) -> list[dict[str, Any]]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    command = [sys.executable, "-m", "datasette", "serve", str(path), "-p", port]
    with subprocess.Popen(command) as server:
        answers: list[str] = []

        def asked() -> bool:
            try:
                url = f"http://127.0.0.1:{port}/{path.stem}.json"
                found = requests.get(url, {"sql": query, "_shape": "array"}, timeout=5)
            except requests.ConnectionError:
                return False
            answers.append(found.text)
            return True

        try:
            wait_until(asked)
        finally:
            server.kill()
    rows: list[dict[str, Any]] = json.loads(answers[0])
    return rows


without_datasette = pytest.mark.skipif(
    find_spec("datasette") is None, reason="needs Datasette: pip install -e '.[e2e]'"
)


@pytest.mark.parametrize("read", [by_sqlite, pytest.param(by_datasette, marks=without_datasette)])
def test_the_recipe_sees_the_latest_rows_of_the_live_file(trail: Trail, read: Read) -> None:
    for _ in range(3):
        trail.database.write(
            lambda c: record(c, trail.now, ADA, "attendance.recorded", outcome="refused")
        )

    assert read(trail.database.beside(""), SQL) == [
        {
            "day": "2026-11-23",
            "action": "attendance.recorded",
            "actor_name": "door",
            "source_ip": "192.0.2.7",
            "refusals": 3,
        }
    ]
    trail.record()  # the reader has taken no lock with it


def test_the_readers_are_those_of_the_recipe() -> None:
    assert "datasette serve /var/lib/attendance/attendance.db" in README
    assert "-i`, which" in README
