"""Write a row as bytes: the one form that is hashed, on every database and in every program.

Pure functions. FORMAT.md describes the same for whoever writes another verifier.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from json.encoder import encode_basestring
from typing import Any

from sqlalchemy import ColumnElement, FromClause, String, type_coerce
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from attendance.db import UtcTime, format_utc, parse_utc

_LEAF = b"\x00"
_SEAL = b"\x02"


def canonical(row: Mapping[str, Any]) -> bytes:
    """Write the row's columns that are not null as RFC 8785 JSON: sorted by name, no white space,
    UTF-8."""
    # Null is left out, so that a column which a later version adds changes no older row's hash.
    members = [f'"{name}":{_text(row[name])}' for name in sorted(row) if row[name] is not None]
    return ("{" + ",".join(members) + "}").encode()


def leaf_hash(row: Mapping[str, Any]) -> bytes:
    """Hash a row of the trail as the content of one of RFC 6962's leaves."""
    return hashlib.sha256(_LEAF + canonical(row)).digest()


def seal_hash(seal: Mapping[str, Any]) -> bytes:
    """Hash a seal, for the next one to refer to; `seal` is its columns without `hash` and `mac`."""
    return hashlib.sha256(_SEAL + canonical(seal)).digest()


def plain(row: Mapping[Any, Any]) -> dict[str, Any]:
    """Copy the row, with times as text whatever type the database has for them."""
    return {
        name: format_utc(value) if isinstance(value, datetime) else value
        for name, value in row.items()
    }


def time_of(stored: Any) -> datetime | None:
    """Read a time as it was stored; None if it is not one. Only somebody who wrote to the database
    behind our back can have stored that."""
    try:
        time = stored if isinstance(stored, datetime) else parse_utc(stored)
    except (TypeError, ValueError):
        return None
    return time if time.tzinfo else None


def as_stored(table: FromClause, names: Iterable[str] | None = None) -> list[ColumnElement[Any]]:
    """Return the columns to select for hashing, with a time as the text that is stored: two texts
    may mean the same time."""
    chosen = table.columns.keys() if names is None else names
    return [stored(table.columns[name]) for name in sorted(chosen)]


def stored(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return one such column: a time as the text that is stored, anything else as it is."""
    if not isinstance(column.type, UtcTime):
        return column
    return type_coerce(_Readable(column), String).label(column.key)


class _Readable(FunctionElement[Any]):
    """A time as it is; on PostgreSQL null where it is one that Python does not have, as `infinity`
    or a year before 1: a stranger's, for which reading the rest must not fail."""

    inherit_cache = True


@compiles(_Readable)
def _as_it_is(element: _Readable, compiler: SQLCompiler, **options: Any) -> str:
    return compiler.process(element.clauses, **options)


@compiles(_Readable, "postgresql")
def _or_null(element: _Readable, compiler: SQLCompiler, **options: Any) -> str:
    time = _as_it_is(element, compiler, **options)
    return f"CASE WHEN {time} BETWEEN '0001-01-02 00:00Z' AND '9999-12-30 00:00Z' THEN {time} END"


def _text(value: Any) -> str:
    """Write the value as JSON."""
    # Our rows hold text and whole numbers, and these need no encoder: json makes one anew at each
    # call, which would take most of the time of a hash.
    if isinstance(value, str):
        return encode_basestring(value)
    return str(value) if type(value) is int else _encode(value)


def _other(value: Any) -> Any:
    """Write what JSON has no form for: times, and bytes, which only a stranger can have written."""
    if isinstance(value, datetime):
        return format_utc(value)
    if isinstance(value, bytes):
        return {"hex": value.hex()}
    raise TypeError(f"{type(value).__name__} has no canonical form")


_encode = json.JSONEncoder(
    ensure_ascii=False, separators=(",", ":"), sort_keys=True, default=_other
).encode
