"""Whether the service does its work: keys to call it, messages that wait, who delivers, seals."""

from attendance import api_keys
from attendance.audit.stats import seal_stats
from attendance.cli.doctor.findings import Finding, Findings
from attendance.config import Settings
from attendance.db import Database
from attendance.outbox import heartbeat, queries

_UNSEALED_FOR_LONG_SECONDS = 60.0
_START = {
    True: "start `manage.py serve` or `dispatch`",
    False: "start `manage.py dispatch`: `serve` delivers nothing with DISPATCHER=off",
}
"""By whether `serve` delivers, too."""


def keys(database: Database, _: Settings) -> Findings:
    """Warn where nobody has a key."""
    with database.snapshot() as connection:
        live = [key for key in api_keys.listed(connection) if key["revoked_at"] is None]
    if live:
        yield Finding("ok", "keys", f"{len(live)} live")
    else:
        remedy = "manage.py keys create NAME --role frontend"
        yield Finding("warn", "keys", "none: nobody can call the API", remedy)


def outbox(database: Database, _: Settings) -> Findings:
    """Count what waits, and warn of what a person has to see to."""
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


def dispatchers(database: Database, settings: Settings) -> Findings:
    """Warn where nobody delivers."""
    if lively := heartbeat.live_dispatchers(database, database.clock()):
        yield Finding("ok", "dispatcher", f"{len(lively)} at work")
    elif settings.telegram_configured:
        yield Finding("warn", "dispatcher", "none at work", _START[settings.dispatcher])


def sealing(database: Database, _: Settings) -> Findings:
    """Warn where rows of the trail have waited for their seal too long."""
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
