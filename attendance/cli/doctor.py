"""`manage.py doctor`: every setting and invariant that can be proved, a line each."""

import os
import shutil
import sqlite3
import stat
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Literal

import click
from sqlalchemy.exc import SQLAlchemyError

from attendance import api_keys
from attendance.audit.stats import seal_stats
from attendance.cli.common import examples, json_option, load_settings, print_json
from attendance.cli.db import unguarded
from attendance.cli.reaching import LOOK_SECONDS, remedy_of, telegram_client
from attendance.config import ConfigError, RateSetting, Settings
from attendance.config.typos import did_you_mean
from attendance.db import Database, DatabaseError, PostgresDatabase, SqliteDatabase, schema, utc_now
from attendance.notifications import routing
from attendance.notifications.texts import Notices
from attendance.outbox import heartbeat, queries
from attendance.telegram.client import ChatInfo, Identity, TelegramClient

_SMALLEST_FREE_BYTES = 100 * 1024 * 1024
_UNSEALED_FOR_LONG_SECONDS = 60.0
_CLOCKS_APART_SECONDS = 5.0
_START = {
    True: "start `manage.py serve` or `dispatch`",
    False: "start `manage.py dispatch`: `serve` delivers nothing with DISPATCHER=off",
}
"""By whether `serve` delivers, too."""


@dataclass(frozen=True, slots=True)
class Finding:
    """`state` is `ok`, `warn` (works, but look at it) or `fail`; `remedy` says what to do."""

    state: Literal["ok", "warn", "fail"]
    subject: str
    found: str
    remedy: str = ""


Findings = Iterator[Finding]


@examples("doctor", "doctor --json")
@click.command()
@json_option
def doctor(as_json: bool) -> None:
    """Check settings, database, outbox and Telegram; exit 1 where something has to be mended."""
    findings = list(_examine())
    if as_json:
        print_json([asdict(finding) for finding in findings])
    else:
        width = max(len(one.subject) for one in findings)
        for one in findings:
            remedy = f" → {one.remedy}" if one.remedy else ""
            click.echo(f"{one.state:<4}  {one.subject:<{width}}  {one.found}{remedy}")
    if any(finding.state == "fail" for finding in findings):
        raise click.exceptions.Exit(1)


def _examine() -> Findings:
    try:
        settings = load_settings()
        Notices(settings.notice_template)
    except ConfigError as error:
        yield Finding("fail", "settings", str(error))
        return
    yield from _settings()
    yield from _pace(settings)
    destinations: set[str] = set()
    yield from _examine_database(settings, destinations)
    yield from _telegram(settings, destinations)


def _settings() -> Findings:
    ignored = did_you_mean(os.environ)
    for name, meant in ignored.items():
        yield Finding("warn", "settings", f"{name} is no setting", f"write {meant}, or unset it")
    if not ignored:
        yield Finding("ok", "settings", "all are well-formed")


def _pace(settings: Settings) -> Findings:
    """Warnings where the limits are wider than Telegram's, as far as those are known."""
    wide = False
    for name, given, known in (
        ("OUTBOX_RATE_OVERALL", settings.outbox_rate_overall, RateSetting(30, 1)),
        ("OUTBOX_RATE_CHAT", settings.outbox_rate_chat, RateSetting(1, 1)),
        ("OUTBOX_RATE_GROUP", settings.outbox_rate_group, RateSetting(20, 60)),
    ):
        if given is None or given.count / given.seconds > known.count / known.seconds:
            wide = True
            remedy = f"set it to {known} or less, or expect to be told to wait (429)"
            found = f"{name} is {given or 'off'}, and Telegram takes about {known}"
            yield Finding("warn", "pace", found, remedy)
    if not wide:
        yield Finding("ok", "pace", "within what Telegram is known to take")


def _examine_database(settings: Settings, destinations: set[str]) -> Findings:
    """Fills in `destinations`, which are to be asked of Telegram."""
    try:
        database = Database.at(settings.database_url)
        try:
            schema.require_open(database)
            yield from _kept_where(database, settings)
            checks: tuple[Callable[[Database, Settings], Findings], ...]
            checks = (_soundness, _keys, _outbox, _dispatchers, _audit)
            for check in checks:
                yield from check(database, settings)
            with database.snapshot() as connection:
                destinations.update(route["chat_id"] for route in routing.listed(connection))
        finally:
            database.close()
    except DatabaseError as error:
        yield Finding("fail", "database", str(error))
    except SQLAlchemyError as error:
        remedy = "stop the service, keep the files, restore a backup"
        yield Finding("fail", "database", str(getattr(error, "orig", error)), remedy)


def _kept_where(database: Database, settings: Settings) -> Findings:
    if isinstance(database, SqliteDatabase):
        yield from _files(database, settings)
        yield from _sqlite(database)
    elif isinstance(database, PostgresDatabase):
        yield from _postgres(database)


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
    """3.7.0 to 3.51.2 can corrupt a WAL database when a write and a checkpoint coincide; fixed in
    3.51.3, and in 3.50.7 and 3.44.6."""
    backported = {50: 7, 44: 6}.get(version[1], 1000)
    return (3, 7, 0) <= version < (3, 51, 3) and version[2] < backported


def _soundness(database: Database, _: Settings) -> Findings:
    found = [*database.integrity_errors(), *unguarded(database)]
    if found:
        remedy = "stop the service, keep the files, restore a backup"
        yield Finding("fail", "integrity", f"{len(found)} faults, first: {found[0]}", remedy)
    else:
        yield Finding("ok", "integrity", "sound")


def _keys(database: Database, _: Settings) -> Findings:
    with database.snapshot() as connection:
        live = [key for key in api_keys.listed(connection) if key["revoked_at"] is None]
    if live:
        yield Finding("ok", "keys", f"{len(live)} live")
    else:
        remedy = "manage.py keys create NAME --role frontend"
        yield Finding("warn", "keys", "none: nobody can call the API", remedy)


def _outbox(database: Database, _: Settings) -> Findings:
    with database.snapshot() as connection:
        stats = queries.stats(connection, database.clock())
    waiting = stats.counts["pending"] + stats.counts["sending"]
    yield Finding("ok", "outbox", f"{waiting} wait, {stats.counts['sent']} sent")
    if stats.without_chat:
        remedy = "set TELEGRAM_CHAT_ID for a running service or dispatcher"
        yield Finding("warn", "outbox", f"{stats.without_chat} wait for a default chat", remedy)
    attention = stats.counts["failed"] + stats.counts["uncertain"]
    if attention:
        remedy = "manage.py outbox list --status failed (and uncertain), then outbox retry"
        yield Finding("warn", "outbox", f"{attention} failed or uncertain", remedy)
    remedy = "manage.py chats list, then chats resume"
    if refusing := stats.parked_chats - stats.paused_chats:
        yield Finding("warn", "chats", f"{refusing} refuse us and are parked", remedy)
    if stats.paused_chats:
        yield Finding("warn", "chats", f"{stats.paused_chats} paused by an admin", remedy)


def _dispatchers(database: Database, settings: Settings) -> Findings:
    if lively := heartbeat.live_dispatchers(database, database.clock()):
        yield Finding("ok", "dispatcher", f"{len(lively)} at work")
    elif settings.telegram_configured:
        yield Finding("warn", "dispatcher", "none at work", _START[settings.dispatcher])


def _audit(database: Database, _: Settings) -> Findings:
    with database.snapshot() as connection:
        found = seal_stats(connection, database.clock())
    age, waits = found.last_seal_age_seconds, found.oldest_unsealed_age_seconds or 0.0
    rows = f"{found.unsealed_rows:,} rows wait for their seal"
    if waits > _UNSEALED_FOR_LONG_SECONDS:
        remedy = "start `manage.py serve` or `dispatch`, and see its log"
        yield Finding("warn", "audit", f"{rows}, the oldest for {waits:.0f} s", remedy)
    else:
        sealed = "none is made yet" if age is None else f"the newest is {age:.0f} s old"
        yield Finding("ok", "audit", f"{rows}; {sealed}")


def _telegram(settings: Settings, destinations: set[str]) -> Findings:
    if settings.telegram_bot_token is None or settings.telegram_chat_id is None:
        remedy = "set TELEGRAM_BOT_TOKEN and TELEGRAM_CHAT_ID"
        yield Finding("warn", "telegram", "not configured in this shell", remedy)
        return
    with telegram_client(settings) as client:
        answer = client.get_me(LOOK_SECONDS)
        if not isinstance(answer, Identity):
            remedy = "check TELEGRAM_BOT_TOKEN, TELEGRAM_API_BASE and the network"
            yield Finding("fail", "telegram", answer.error, remedy)
            return
        yield Finding("ok", "telegram", f"the token is that of @{answer.username}")
        for chat_id in sorted(destinations | {settings.telegram_chat_id}):
            yield _destination(client, chat_id)


def _destination(client: TelegramClient, chat_id: str) -> Finding:
    """Whether the bot sees the chat, and may write there; people see "typing", and no message."""
    subject = f"chat {chat_id}"
    seen = client.get_chat(chat_id, LOOK_SECONDS)
    if not isinstance(seen, ChatInfo):
        return Finding("fail", subject, f"not seen: {seen.error}", remedy_of(seen))
    refusal = client.can_write(chat_id, LOOK_SECONDS)
    called = f"{seen.type} {seen.title}"
    if refusal is not None:
        return Finding("fail", subject, f"{called}: {refusal.error}", remedy_of(refusal))
    return Finding("ok", subject, f"{called}: the bot may write there")
