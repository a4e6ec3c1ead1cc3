"""Where the records are kept: the files or the server, and whether what is stored is sound."""

import shutil
import sqlite3
import stat
from typing import Literal

from attendance.cli.db.check import unguarded
from attendance.cli.doctor.findings import Finding, Findings
from attendance.config import Settings
from attendance.db import Database, PostgresDatabase, SqliteDatabase, utc_now

_SMALLEST_FREE_BYTES = 100 * 1024 * 1024
_CLOCKS_APART_SECONDS = 5.0


def where_it_is_kept(database: Database, settings: Settings) -> Findings:
    """Look at the files and SQLite, or at the server."""
    if isinstance(database, SqliteDatabase):
        yield from _files(database, settings)
        yield from _sqlite(database)
    elif isinstance(database, PostgresDatabase):
        yield from _postgres(database)


def soundness(database: Database, _: Settings) -> Findings:
    """Check what is stored, and the triggers that guard it."""
    found = [*database.integrity_errors(), *unguarded(database)]
    if found:
        remedy = "stop the service, keep the files, restore a backup"
        yield Finding("fail", "integrity", f"{len(found)} faults, first: {found[0]}", remedy)
    else:
        yield Finding("ok", "integrity", "sound")


def _postgres(database: PostgresDatabase) -> Findings:
    with database.snapshot() as connection:
        version, fsync, most, in_use = connection.exec_driver_sql(
            "SELECT current_setting('server_version'), current_setting('fsync'), "
            "current_setting('max_connections')::int, (SELECT count(*) FROM pg_stat_activity)"
        ).one()
    if fsync != "on":
        remedy = "set fsync = on: a power cut loses what was answered with 2xx"
        yield Finding("fail", "postgresql", f"{version}, fsync is {fsync}", remedy)
    else:
        yield Finding("ok", "postgresql", f"{version}, {in_use} of {most} connections in use")
    if lacking := database.lacking():
        yield Finding("fail", "privileges", lacking.what, lacking.remedy)
    apart = (database.clock() - utc_now()).total_seconds()
    remedy = "" if abs(apart) < _CLOCKS_APART_SECONDS else "let NTP set the clocks of all hosts"
    state: Literal["ok", "warn"] = "warn" if remedy else "ok"
    off = 1000 * database.clock_off_seconds
    found = f"the server's is {apart:+.1f} s from this host's, known to {off:.0f} ms and gone by"
    yield Finding(state, "clock", found, remedy)


def _files(database: SqliteDatabase, settings: Settings) -> Findings:
    mode = stat.S_IMODE(database.path.stat().st_mode)
    allowed = 0o660 if settings.database_group else 0o600
    if mode & ~allowed:
        remedy = f"chmod {allowed:o} {database.path}*"
        yield Finding("warn", "files", f"{database.path} is open to others ({mode:o})", remedy)
    else:
        yield Finding("ok", "files", f"{database.path} ({mode:o})")
    free = shutil.disk_usage(database.path.parent).free
    state: Literal["ok", "fail"] = "ok" if free >= _SMALLEST_FREE_BYTES else "fail"
    remedy = "" if state == "ok" else "free some space: a full disk stops the recording"
    yield Finding(state, "disk", f"{free // 2**20:,} MiB free", remedy)


def _sqlite(database: SqliteDatabase) -> Findings:
    with database.snapshot() as connection:
        mode = connection.exec_driver_sql("PRAGMA journal_mode").scalar_one()
    version = sqlite3.sqlite_version
    if mode != "wal":
        yield Finding("fail", "sqlite", f"journal_mode is {mode}", "run `manage.py db upgrade`")
    elif _has_wal_reset_fault(sqlite3.sqlite_version_info):
        note = "its WAL-reset fault is kept off by checkpoints under the turnstile"
        yield Finding("ok", "sqlite", f"{version}, WAL; {note}: write with nothing else")
    else:
        yield Finding("ok", "sqlite", f"{version}, WAL")


def _has_wal_reset_fault(version: tuple[int, ...]) -> bool:
    """Return whether a write and a checkpoint that coincide can corrupt a WAL database.

    3.7.0 to 3.51.2 have that fault; it is fixed in 3.51.3, and in 3.50.7 and 3.44.6.
    """
    backported = {50: 7, 44: 6}.get(version[1], 1000)
    return (3, 7, 0) <= version < (3, 51, 3) and version[2] < backported
