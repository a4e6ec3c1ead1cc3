"""Times and rows as text. Imports nothing of ours.

A time has one fixed width (`2026-11-23T09:00:00.000000Z`), so that times sort as text and an
auditor can read them.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Any

from pydantic_core import to_json


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


def row_json(row: Mapping[str, Any]) -> str:
    """A row as compact JSON, in a third of the time of `json.dumps`: text, numbers, and lists or
    mappings of them; times and days as `json_form` has them; zones and paths as `str`. Times deeper
    in it have to be text already.

    Raises:
        ValueError: a text is not Unicode.
    """
    flat = {name: json_form(one) if isinstance(one, date) else one for name, one in row.items()}
    return to_json(flat, fallback=str).decode()
