"""A record, as it is read from the database: Ada came in, or whatever a test makes of it."""

from datetime import UTC, datetime
from typing import Any


def record(**changes: Any) -> dict[str, Any]:
    return {
        "id": 7,
        "person_id": "ada",
        "person_name": "Ada",
        "event": "check_in",
        # In the database times are in UTC: 09:04 in Berlin.
        "occurred_at": datetime(2026, 11, 3, 8, 4, 59, tzinfo=UTC),
        "timezone": "Europe/Berlin",
        "site": None,
        "group_name": None,
        "device": None,
        "note": None,
        **changes,
    }
