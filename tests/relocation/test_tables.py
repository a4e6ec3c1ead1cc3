"""A move takes every table along, whatever else the process has imported before."""

import sqlite3
import subprocess
import sys
from contextlib import closing

NOT_MOVED = {"alembic_version", "relocation", "sqlite_sequence"}
NAMES = "from attendance.relocation.tables import TABLES; print(*(one.name for one in TABLES))"


def test_every_table_of_a_migrated_database_is_moved(sqlite_url: str) -> None:
    with closing(sqlite3.connect(sqlite_url.removeprefix("sqlite:///"))) as file:
        there = {
            name for (name,) in file.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        }

    moved = subprocess.check_output([sys.executable, "-c", NAMES], text=True).split()

    assert set(moved) == there - NOT_MOVED
