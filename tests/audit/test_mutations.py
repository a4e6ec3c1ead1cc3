"""Whatever is changed in a sealed trail is found, and named: by `verify`, and by a verifier that
shares no line with it.

Each mutant is one act of somebody who can write the file and has lifted the triggers. An auditor
has the key of the seals and a checkpoint that was kept elsewhere.
"""

import base64
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import verifier
from mutants import (
    BATCHES,
    NAMED,
    NUMBERS,
    PLACES,
    REBUILT,
    ROWS,
    STRUCTURE,
    USUAL,
    Mutant,
    Mutate,
    script,
    update,
)
from trails import KEY, Trail, tampering

from attendance.audit import seals
from attendance.audit.checkpoint import Checkpoint
from attendance.audit.report import Report
from attendance.audit.verify import Scope, verify
from attendance.db import Database, SqliteDatabase, parse_utc


@pytest.fixture(scope="module")
def sealed(migrated: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Checkpoint]:
    """A sealed trail that nobody has open, and its head."""
    path = Path(shutil.copy(migrated, tmp_path_factory.mktemp("sealed")))
    with closing(SqliteDatabase(path)) as database:
        Trail(database).grow(*BATCHES)
        with database.snapshot() as connection:
            head = seals.head(connection)
    assert head is not None
    return path, Checkpoint.of(head, "host")


def verified(path: Path, *anchors: Checkpoint) -> tuple[Report, list[str]]:
    """What `verify` says, and the other verifier."""
    with closing(SqliteDatabase(path)) as database:
        report = verify(database, Scope(key=KEY, anchors=anchors))
    text = "".join(map(str, anchors))
    return report, verifier.verify(path, KEY.reveal().encode(), text)


def columns_of(path: Path, table: str) -> list[tuple[str, bool]]:
    """Each column, and whether it may be null."""
    with closing(sqlite3.connect(path)) as connection:
        info = connection.execute(f"PRAGMA table_info({table})").fetchall()
    return [(name, not (notnull or key)) for _, name, _, notnull, _, key in info]


def column_mutants(path: Path) -> Iterator[Mutant]:
    """Every column of every table, in the first, a middle and the last row."""
    for table, (key, places) in PLACES.items():
        for column, may_be_null in columns_of(path, table):
            name = NAMED.get((table, column), USUAL[table])
            for place in places:
                for value in values_for(column, may_be_null=may_be_null):
                    what = f"{table}.{column} = {value} where {key} is {place}"
                    where = f"{key} = {place} AND {column} IS NOT {value}"
                    yield what, name, update(table, column, value, where)


def values_for(column: str, *, may_be_null: bool) -> Iterator[str]:
    if column in NUMBERS:
        yield f"{column} + 1000" if column in {"id", "seq", "audit_id"} else f"{column} + 1"
    else:
        yield f"coalesce({column}, '') || 'x'"
        yield "'0' || substr(coalesce(hash, ''), 2)" if column == "hash" else "''"
        yield "x'ff'"
        yield "CAST(x'ff' AS TEXT)"
        yield "'1'"
    if may_be_null:
        yield "NULL"


SQLITE_ONLY: list[Mutant] = [
    (
        "a time that is none in the newest seal, and an unsealed row",
        "seal_broken",
        script(
            "UPDATE audit_seal SET sealed_at = 'noon' WHERE id = 4;"
            "INSERT INTO audit (occurred_at, actor_type, action, outcome, host, schema_version)"
            " VALUES ('2026-11-23T09:00:00.000000Z', 'service', 'a.b', 'success', 'h', 1)"
        ),
    ),
    (
        "the time of a row written otherwise",
        "row_modified",
        update("audit", "occurred_at", "replace(occurred_at, 'Z', '+00:00')", "id = 6"),
    ),
    (
        "a fork beside the chain",
        "fork",
        script(
            "CREATE TABLE forked AS SELECT * FROM audit_seal;"
            "INSERT INTO forked SELECT 5, sealed_at, first_seq, last_seq, backlog, root,"
            " prev_hash, hash, key_id, mac FROM audit_seal WHERE id = 4;"
            "DROP TABLE audit_seal; ALTER TABLE forked RENAME TO audit_seal"
        ),
    ),
]  # fmt: skip


def test_an_untouched_copy_passes(sealed: tuple[Path, Checkpoint], tmp_path: Path) -> None:
    path, anchor = sealed
    report, names = verified(Path(shutil.copy(path, tmp_path)), anchor)

    assert (report.findings, names) == ([], [])
    assert (report.rows, report.seals, report.unsealed) == (ROWS, len(BATCHES), 0)
    assert (report.anchors_matched, report.macs_checked) == (1, len(BATCHES))


@pytest.mark.slow
def test_every_mutant_is_found_and_named(sealed: tuple[Path, Checkpoint], tmp_path: Path) -> None:
    path, anchor = sealed
    killed, made = 0, 0
    survivors: list[str] = []
    for what, name, mutate in [*column_mutants(path), *STRUCTURE, *SQLITE_ONLY, *REBUILT]:
        copy = Path(shutil.copy(path, tmp_path))
        with tampering(copy) as connection:
            before = connection.total_changes
            mutate(connection)
            if connection.total_changes == before:
                continue  # the column has that value already
        made += 1
        found = findings(copy, anchor)
        if all(name in names for names in found):
            killed += 1
        else:
            survivors.append(f"{what}: {name} is not in both of {found}")
        copy.unlink()

    print(f"\n{killed} of {made} mutants are found and named")
    assert survivors == []
    assert made > 150


def findings(path: Path, anchor: Checkpoint) -> list[list[str]]:
    """What both verifiers say. Text that is no UTF-8 stops the short one, which is an answer, too:
    it exits 2, and never 0."""
    with closing(SqliteDatabase(path)) as database:
        report = verify(database, Scope(key=KEY, anchors=[anchor]))
    ours: list[str] = sorted(report.counts)
    try:
        return [ours, verifier.verify(path, KEY.reveal().encode(), str(anchor))]
    except (sqlite3.Error, TypeError, ValueError):
        assert not report.intact
        return [ours]


@pytest.mark.parametrize(("what", "name", "mutate"), REBUILT, ids=[what for what, *_ in REBUILT])
def test_a_chain_alone_does_not_show_that_it_was_rebuilt(
    sealed: tuple[Path, Checkpoint], tmp_path: Path, what: str, name: str, mutate: Mutate
) -> None:
    """The control of key and anchor: without them, it fits."""
    copy = Path(shutil.copy(sealed[0], tmp_path))
    with tampering(copy) as connection:
        mutate(connection)
    with closing(SqliteDatabase(copy)) as database:
        report = verify(database, Scope())

    assert report.intact, (what, name)


def test_rows_that_wait_for_their_seal_are_no_tampering(
    sealed: tuple[Path, Checkpoint], tmp_path: Path
) -> None:
    """A service that was killed a moment after it wrote."""
    copy = Path(shutil.copy(sealed[0], tmp_path))
    with closing(SqliteDatabase(copy)) as database:
        trail = Trail(database)
        [newest] = trail.rows("SELECT max(sealed_at) AS at FROM audit_seal")
        trail.now = parse_utc(newest["at"])
        trail.record(3)
    report, names = verified(copy, sealed[1])

    assert (report.findings, names, report.unsealed) == ([], [], 3)


@pytest.mark.slow
def test_a_backlog_that_was_not_sealed_to_its_end_is_no_tampering(database: Database) -> None:
    """Rows that waited long for a sealer, which was then killed between two seals."""
    trail = Trail(database)
    trail.record(1200)
    trail.now = trail.now.replace(hour=12)
    trail.sealer.seal_once()

    report = verify(database, Scope(key=KEY))
    assert (report.findings, report.rows, report.unsealed) == ([], 500, 700)


def test_the_verifier_is_a_program(sealed: tuple[Path, Checkpoint], tmp_path: Path) -> None:
    path, anchor = sealed
    kept = tmp_path / "head.txt"
    kept.write_text(str(anchor))

    assert verifier.main(str(path), str(kept)) == 0
    kept.write_text(str(anchor).replace(f"\n{ROWS}\n", f"\n{ROWS + 1}\n"))
    assert verifier.main(str(path), str(kept)) == 1
    assert verifier.main(str(tmp_path / "nothing.db")) == 2


def test_a_checkpoint_has_the_form_of_c2sp(sealed: tuple[Path, Checkpoint]) -> None:
    origin, size, encoded, rest = str(sealed[1]).split("\n")

    assert (origin, size, rest) == ("attendance-audit/host", str(ROWS), "")
    assert base64.b64decode(encoded).hex() == sealed[1].hash
