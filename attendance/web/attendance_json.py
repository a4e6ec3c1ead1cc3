"""A record as clients see it, and what they may say of one."""

from datetime import datetime, timedelta
from typing import Any

from attendance.db import json_form
from attendance.records.queries import UNCORRECTED
from attendance.web.auth import AuthenticatedRequest
from attendance.web.problems import invalid

_FUTURE_ALLOWED = timedelta(minutes=5)
_HIDDEN = frozenset(
    ("group_name", "latitude", "longitude", "accuracy_m", "key_lineage", "key_id", *UNCORRECTED)
)


def as_json(row: dict[str, Any]) -> dict[str, Any]:
    shown = {name: value for name, value in row.items() if name not in _HIDDEN}
    return {
        **shown,
        "group": row["group_name"],
        "location": _location(row),
        "correction": _correction(row),
        "replaces": row["replaces"],
    }


def _location(row: dict[str, Any]) -> dict[str, Any] | None:
    if row["latitude"] is None:
        return None
    return {
        "lat": row["latitude"],
        "lon": row["longitude"],
        "accuracy_m": row["accuracy_m"],
    }


def _correction(row: dict[str, Any]) -> dict[str, Any] | None:
    """Return what became of the record; None for one that stands."""
    if row["corrected_at"] is None:
        return None
    return {
        "kind": "void" if row["replaced_by"] is None else "amended",
        "corrected_at": json_form(row["corrected_at"]),
        "reason": row["correction_reason"],
        "replaced_by": row["replaced_by"],
    }


def location_of(row: dict[str, Any]) -> str:
    return f"/attendance/{row['id']}"


def refuse_the_future(occurred_at: datetime | None, call: AuthenticatedRequest) -> None:
    """Raise Problem, 422, where the time lies further ahead than a clock may be off."""
    if occurred_at is not None and occurred_at > call.now + _FUTURE_ALLOWED:
        raise invalid(
            "occurred_at", "in_the_future", "lies more than 5 minutes ahead: check the clock"
        )
