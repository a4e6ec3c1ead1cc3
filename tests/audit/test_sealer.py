"""The sealer: every row once, in seals that follow each other, at its own pace."""

import sqlite3
from contextlib import closing
from datetime import timedelta
from unittest.mock import Mock

import pytest
import verifier
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError
from trails import KEY, NINE, Trail

from attendance.audit import sealer, seals
from attendance.audit.sealer import Sealer
from attendance.audit.verify import Scope, verify
from attendance.db import Database, has_concurrent_writers

pytestmark = pytest.mark.both_databases

EVERY_ROW = "SELECT id FROM audit ORDER BY id"
SEALED_ROWS = "SELECT audit_id AS id FROM audit_leaf ORDER BY seq"


@pytest.mark.slow
def test_every_row_gets_a_leaf_and_a_number_without_gaps(trail: Trail) -> None:
    trail.grow(3, 1, 700)

    assert trail.rows(SEALED_ROWS) == trail.rows(EVERY_ROW)
    assert [row["seq"] for row in trail.rows("SELECT seq FROM audit_leaf")] == [*range(1, 705)]


@pytest.mark.slow
def test_a_seal_holds_500_rows_at_most_and_says_whether_more_wait(trail: Trail) -> None:
    trail.record(1001)
    trail.seal()

    found = trail.rows("SELECT first_seq, last_seq, backlog FROM audit_seal")
    assert [tuple(row.values()) for row in found] == [(1, 500, 1), (501, 1000, 1), (1001, 1001, 0)]


@pytest.mark.parametrize("sealed_at", ["yesterday", None])
def test_a_seal_without_a_time_keeps_nobody_from_sealing(
    trail: Trail, monkeypatch: pytest.MonkeyPatch, sealed_at: str | None
) -> None:
    trail.grow(1)
    forged = {"sealed_at": sealed_at, "backlog": 0}
    with monkeypatch.context() as patch:
        patch.setattr(seals, "head", lambda _: forged)
        assert not trail.sealer._another_is_at_it()


def test_each_seal_names_the_one_before(trail: Trail) -> None:
    trail.grow(1, 1, 1)

    first, second, third = trail.rows("SELECT prev_hash, hash FROM audit_seal ORDER BY id")
    assert first["prev_hash"] == seals.GENESIS
    assert second["prev_hash"] == first["hash"]
    assert third["prev_hash"] == second["hash"]


def test_nothing_is_sealed_where_nothing_happened(trail: Trail) -> None:
    trail.grow(1)
    trail.seal()

    assert trail.value("SELECT count(*) FROM audit_seal") == 1


def test_without_a_key_a_seal_has_no_mac(database: Database) -> None:
    trail = Trail(database, key=None).grow(1)

    assert trail.value("SELECT mac FROM audit_seal") is None


def test_with_a_key_it_is_that_of_the_hash(trail: Trail) -> None:
    trail.grow(1)

    [seal] = trail.rows("SELECT hash, mac FROM audit_seal")
    assert seal["mac"] == seals.mac_of(KEY, seal["hash"])


def test_whoever_comes_second_writes_nothing(trail: Trail) -> None:
    """Two sealers have prepared the same seal; the lock lets one of them go first."""
    trail.record(2)
    with trail.database.snapshot() as connection:
        batch = seals.prepare(connection, NINE, None, 0, 500)
    assert batch is not None

    won = [trail.database.write(lambda c: seals.append(c, NINE, batch)) for _ in range(2)]

    assert won == [True, False]
    assert trail.value("SELECT count(*) FROM audit_leaf") == 2


def test_a_fork_is_an_error_in_the_database_itself(trail: Trail) -> None:
    trail.grow(1, 1)
    fork = (
        "INSERT INTO audit_seal SELECT 9, sealed_at, 9, 9, 0, root, prev_hash, hash, key_id, mac "
        "FROM audit_seal WHERE id = 2"
    )

    def work(connection: Connection) -> None:
        connection.exec_driver_sql(fork)

    with pytest.raises(IntegrityError):
        trail.database.write(work)


def test_as_a_task_it_seals_about_once_a_second(trail: Trail) -> None:
    trail.record()
    trail.sealer()
    trail.record()
    trail.now += timedelta(seconds=30)
    trail.sealer()  # the monotonic clock has not moved by a second

    assert trail.value("SELECT count(*) FROM audit_seal") == 1


def test_another_s_fresh_seal_is_enough(trail: Trail) -> None:
    trail.grow(1)
    trail.now = NINE + timedelta(seconds=0.9)
    trail.record()
    other = Sealer(trail.database, lambda: trail.now, KEY)
    other()
    assert trail.value("SELECT count(*) FROM audit_seal") == 1

    late = Sealer(trail.database, lambda: NINE + timedelta(seconds=1), KEY)
    late()
    assert trail.value("SELECT count(*) FROM audit_seal") == 2


def test_where_all_is_sealed_and_settled_it_asks_for_the_newest_row_only(
    trail: Trail, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sealer, "EVERY_SECONDS", 0.0)
    trail.grow(3)
    trail.sealer()  # ten minutes later: nothing can become visible below any more
    asked = Mock(wraps=seals.head)
    monkeypatch.setattr(seals, "head", asked)
    trail.sealer()
    assert asked.call_count == 0

    trail.record()
    trail.sealer()
    assert asked.call_count > 0
    assert trail.rows(SEALED_ROWS) == trail.rows(EVERY_ROW)


@pytest.mark.slow
def test_a_backlog_is_not_left_to_others(trail: Trail) -> None:
    trail.record(2600)
    for _ in range(2):
        trail.sealer()

    assert trail.value("SELECT count(*) FROM audit_leaf") == 2600


def insert_late(trail: Trail, row_id: int) -> None:
    """A row that becomes visible only now, with an id that was given out earlier."""

    time = "2026-11-23T09:00:00.000000Z"

    def work(connection: Connection) -> None:
        connection.exec_driver_sql(
            "INSERT INTO audit (id, occurred_at, actor_type, action, outcome, host, schema_version)"  # noqa: S608 - a number of ours
            f" VALUES ({row_id}, '{time}', 'service', 'a.b', 'success', 'h', 1)"
        )
        if has_concurrent_writers(connection):  # SQLite goes on behind it by itself
            connection.exec_driver_sql("SELECT setval('audit_id_seq', max(id)) FROM audit")

    trail.database.write(work)


def test_a_row_that_becomes_visible_late_is_sealed(trail: Trail) -> None:
    """TRAP 22: where transactions overlap, id order is not the order of the commits."""
    trail.grow(1)
    insert_late(trail, 100)
    trail.seal()
    insert_late(trail, 50)
    trail.now += seals.LONGEST_TRANSACTION
    trail.seal()

    assert [row["id"] for row in trail.rows(SEALED_ROWS)] == [1, 100, 50]


def test_by_the_last_id_it_would_be_missed(trail: Trail) -> None:
    """The control: a sealer that looks above the last id that it has sealed."""
    trail.grow(1)
    insert_late(trail, 100)
    trail.seal()
    insert_late(trail, 50)

    with trail.database.snapshot() as connection:
        assert seals.prepare(connection, NINE, None, above_id=100, limit=500) is None


def test_the_floor_passes_only_what_is_sealed_and_settled(trail: Trail) -> None:
    trail.record(10)
    trail.seal()
    assert trail.sealer._floor == 0

    trail.now += seals.LONGEST_TRANSACTION  # not longer ago than the longest transaction
    trail.record()
    trail.seal()
    assert trail.sealer._floor == 0

    trail.now += timedelta(seconds=1)
    trail.record()
    trail.seal()
    assert trail.sealer._floor == 10


def test_the_floor_stays_below_a_row_that_is_not_sealed(trail: Trail) -> None:
    trail.record(3)
    insert_late(trail, 100)
    trail.seal()
    insert_late(trail, 50)
    trail.now += timedelta(hours=1)

    trail.sealer.seal_once()

    assert trail.sealer._floor == 49
    assert trail.value("SELECT count(*) FROM audit_leaf WHERE audit_id = 50") == 1


@pytest.mark.sqlite_only
@pytest.mark.parametrize("text", ["CAST(x'61ff' AS TEXT)", "x'61ff'", "9e999"])
@pytest.mark.parametrize("column", ["reason", "occurred_at", "schema_version"])
def test_a_stranger_s_row_stops_no_sealing(trail: Trail, column: str, text: str) -> None:
    """One INSERT, which no trigger refuses, would leave all that comes after it unsealed."""
    given = {"occurred_at": "'2026-11-23T09:00:00.000000Z'", "reason": "''", "schema_version": "1"}
    row = (
        "INSERT INTO audit (actor_type, action, outcome, host, occurred_at, reason, schema_version)"
        " VALUES ('key', 'a.b', 'success', 'h', {occurred_at}, {reason}, {schema_version})"
    )
    with closing(sqlite3.connect(trail.path)) as stranger, stranger:
        stranger.execute(row.format(**{**given, column: text}))
    trail.grow(2)

    report = verify(trail.database, Scope(key=KEY))
    assert (report.rows, report.unsealed, report.findings) == (3, 0, [])
    assert verifier.verify(trail.path, KEY.reveal().encode()) == []


def test_after_a_restart_the_whole_trail_is_looked_at(trail: Trail) -> None:
    trail.grow(5, 5)
    insert_late(trail, 1000)
    trail.grow(1)
    insert_late(trail, 500)

    Sealer(trail.database, lambda: trail.now, KEY).finish()

    assert trail.value("SELECT count(*) FROM audit_leaf WHERE audit_id = 500") == 1


@pytest.mark.slow
def test_a_row_that_becomes_visible_below_a_backlog_is_sealed(trail: Trail) -> None:
    insert_late(trail, 5000)
    trail.record(1200)
    trail.sealer.seal_once()  # of a backlog, which goes on above what it has sealed
    insert_late(trail, 100)
    trail.seal()

    assert trail.value("SELECT count(*) FROM audit_leaf WHERE audit_id = 100") == 1
    assert trail.value("SELECT count(*) FROM audit_leaf") == 1202
