"""Times as text. Imports nothing of ours.

It has one fixed width (`2026-11-23T09:00:00.000000Z`), so that times sort as text and an
auditor can read them.
"""

from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Any


@lru_cache(maxsize=64)
def format_utc(time: datetime) -> str:
    """`time` as text of 27 characters that sorts by time. Raises ValueError for a naive time.

    Remembered: a request stores the time of its arrival eight times.
    """
    if time.tzinfo is None:
        raise ValueError("a time without a zone cannot be stored")
    in_utc = time if time.tzinfo is UTC else time.astimezone(UTC)
    return in_utc.isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"


def parse_utc(text: str) -> datetime:
    """The inverse of `format_utc`."""
    return datetime.fromisoformat(text)


def json_form(value: Any) -> str:
    """A time or a day as text, for `json.dumps`. Raises TypeError for anything else."""
    if isinstance(value, datetime):
        return format_utc(value)
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} has no JSON form")
