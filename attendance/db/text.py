"""Write times as text, and read them. Imports nothing of ours.

The text has one fixed width (`2026-11-23T09:00:00.000000Z`), so that it sorts by time and an
auditor can read it.
"""

from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Any


@lru_cache(maxsize=64)
def format_utc(time: datetime) -> str:
    """Return `time` as text of 27 characters that sorts by time. Raises ValueError for a naive
    time.

    The last results are kept: a request stores the time of its arrival eight times.
    """
    if time.tzinfo is None:
        raise ValueError("a time without a zone cannot be stored")
    in_utc = time if time.tzinfo is UTC else time.astimezone(UTC)
    return in_utc.isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"


def parse_utc(text: str) -> datetime:
    """Return the time that `format_utc` has written as `text`."""
    return datetime.fromisoformat(text)


def json_form(value: Any) -> str:
    """Return a time or a day as text, for `json.dumps`. Raises TypeError for anything else."""
    if isinstance(value, datetime):
        return format_utc(value)
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} has no JSON form")
