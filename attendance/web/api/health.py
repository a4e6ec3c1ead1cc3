"""`/livez`, `/readyz`, `/healthz`: is the process alive, and can it record?"""

from datetime import datetime
from typing import Any

from flask import Blueprint, Response, request

from attendance.db import BRIEF_WRITE_SECONDS, DatabaseError
from attendance.outbox import heartbeat, queries
from attendance.web.auth import reader
from attendance.web.client_ip import is_local
from attendance.web.pagination import respond
from attendance.web.problems import Problem
from attendance.web.services import Services, services

blueprint = Blueprint("health", __name__)

_LATE_AFTER_SECONDS = 120.0
_SHOWN_FOR_SECONDS = 600.0
"""How long a dispatcher that was killed is shown with its age."""
_NOT_READY = "The service cannot record at the moment. On its own machine /readyz says why."
_NO_DISPATCHER = "No dispatcher has given a sign of life lately"
_START_ONE = ", and this service has DISPATCHER=off: start `manage.py dispatch`."


@blueprint.get("/livez")
@blueprint.get("/healthz")
def livez() -> Response:
    return respond({"status": "ok"})


@blueprint.get("/readyz")
def readyz() -> Response:
    """Answer 200 where a POST would be recorded. Telegram being down does not change that:
    `?verbose` says `degraded` and why, on this machine and to admins."""
    is_asked_from_elsewhere = "verbose" in request.args and not _is_local()
    return _for_admins() if is_asked_from_elsewhere else _for_everybody()


def _ready() -> Response:
    made, is_verbose = services(), "verbose" in request.args
    try:
        made.database.check_writable(BRIEF_WRITE_SECONDS)
    except DatabaseError as error:
        # The reason names where the database is.
        detail = str(error) if is_verbose or _is_local() else _NOT_READY
        raise Problem(503, "not_ready", detail, headers={"Retry-After": "5"}) from None
    return respond(_verbose(made) if is_verbose else {"status": "ok"})


_for_everybody = reader()(_ready)
_for_admins = reader("admin")(_ready)


def _is_local() -> bool:
    return is_local(request.remote_addr, request.headers)


def _verbose(made: Services) -> dict[str, Any]:
    now = made.clock()
    with made.database.snapshot() as connection:
        stats = queries.stats(connection, now)
    ages = _ages(made, now)
    reasons = _reasons(made, stats, list(ages.values()))
    return {
        "status": "degraded" if reasons else "ok",
        "reasons": reasons,
        "outbox": stats.as_dict(),
        "dispatcher_heartbeat_age_seconds": ages,
    }


def _ages(made: Services, now: datetime) -> dict[str, float]:
    """Since each dispatcher's last sign of life, without those that are long gone."""
    beats = heartbeat.last_beats(made.database).items()
    ages = {name: round((now - at).total_seconds(), 1) for name, at in beats}
    return {name: age for name, age in ages.items() if age < _SHOWN_FOR_SECONDS}


def _reasons(made: Services, stats: queries.Stats, ages: list[float]) -> list[str]:
    """Why messages may not be going out, in words for an operator."""
    reasons, silent = [], heartbeat.SILENT_AFTER.total_seconds()
    if not made.settings.telegram_configured:
        reasons.append("Telegram is not configured: messages wait.")
    elif stats.stopped is not None:
        reasons.append(f"The bot is {stats.stopped}: messages wait.")
    if not any(age < silent for age in ages):
        reasons.append(_NO_DISPATCHER + ("." if made.settings.dispatcher else _START_ONE))
    if (stats.oldest_due_age_seconds or 0) > _LATE_AFTER_SECONDS:
        reasons.append(f"The oldest message waits {stats.oldest_due_age_seconds:.0f} s.")
    if refusing := stats.parked_chats - stats.paused_chats:
        reasons.append(f"{refusing} chat(s) refuse us and are parked.")
    if stats.paused_chats:
        reasons.append(f"{stats.paused_chats} chat(s) are paused by an admin.")
    return reasons
