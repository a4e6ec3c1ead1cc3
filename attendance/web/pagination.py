"""Success, as JSON; and lists, page by page with a cursor that cannot be forged."""

import json
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from flask import Response
from itsdangerous import BadData, URLSafeSerializer

from attendance.db import json_form
from attendance.web.fast.response import JsonResponse
from attendance.web.problems import invalid
from attendance.web.services import services


def dumps(value: Any) -> str:
    """Return compact JSON, with times as RFC 3339 in UTC with microseconds."""
    return _encode(value)


_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=json_form).encode


def respond(value: Any, status: int = 200) -> Response:
    return JsonResponse(dumps(value), status)


def page(kind: str, rows: Sequence[Mapping[str, Any]], limit: int, keys: Sequence[str]) -> Response:
    """Answer with up to `limit` of `rows`, of which the caller fetched one more to see whether
    there is a next page. `keys` name the columns by which the list is ordered."""
    shown, has_more = rows[:limit], len(rows) > limit
    cursor = _signer(kind).dumps([_plain_key(shown[-1][key]) for key in keys]) if has_more else None
    return respond({"data": shown, "next_cursor": cursor, "has_more": has_more})


def position(kind: str, cursor: str | None) -> list[Any] | None:
    """Return the values of `keys` after which the page begins; None for the first page.

    Raises:
        Problem: 422, the cursor is not one that this list gave.
    """
    if cursor is None:
        return None
    try:
        values: list[Any] = _signer(kind).loads(cursor)
    except BadData:
        raise invalid("cursor", "invalid_cursor", "is not a cursor of this list") from None
    return values


def _signer(kind: str) -> URLSafeSerializer:
    return URLSafeSerializer(services().signing_key(), salt=f"cursor.{kind}")


def _plain_key(value: Any) -> Any:
    return json_form(value) if isinstance(value, date) else value
