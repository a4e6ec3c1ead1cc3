"""Export the trail as CSV or JSON lines, page by page, and note that in the trail itself."""

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal, get_args

from sqlalchemy import Connection

from attendance.audit import listing
from attendance.audit.canonical import plain
from attendance.audit.trail import AuditEntry, Context, append
from attendance.config.terminal import escaped
from attendance.db import Database, json_form

Form = Literal["csv", "jsonl"]
FORMS: tuple[Form, ...] = get_args(Form)
MEDIA_TYPES: Mapping[Form, str] = {"csv": "text/csv", "jsonl": "application/x-ndjson"}
_PAGE = 500
_COLUMNS = [column.name for column in AuditEntry.__table__.columns]
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True)
class Export:
    """What is asked for. In `raw` CSV cells are as they are stored; otherwise a cell that a
    spreadsheet could take for a formula begins with an apostrophe."""

    chosen: listing.Filter
    form: Form
    raw: bool = False


def begin(connection: Connection, now: datetime, context: Context, export: Export) -> int:
    """Note the export, before any row of it is given out. Return the id of the last row that it may
    hold, which is older than the note."""
    last_id = listing.last_id(connection)
    chosen = plain(asdict(export.chosen))
    asked = {name: value for name, value in chosen.items() if value is not None}
    after = {"format": export.form, "raw": export.raw, "filter": asked, "last_id": last_id}
    append(connection, now, context, "audit.exported", after=after)
    return last_id


def stream(database: Database, export: Export, last_id: int) -> Iterator[str]:
    """Yield the rows that match, the oldest first, up to `last_id`; each page is read by itself."""
    if export.form == "csv":
        yield _csv([_COLUMNS])
    after_id = 0
    while True:
        with database.snapshot() as connection:
            rows = listing.oldest(
                connection, export.chosen, after_id=after_id, last_id=last_id, limit=_PAGE
            )
        if not rows:
            return
        yield _lines(rows) if export.form == "jsonl" else _cells(rows, raw=export.raw)
        after_id = rows[-1]["id"]


def _lines(rows: Sequence[Mapping[str, Any]]) -> str:
    return "".join(
        escaped(json.dumps(row, ensure_ascii=False, default=json_form)) + "\n"
        for row in map(dict, rows)
    )


def _cells(rows: Sequence[Mapping[str, Any]], *, raw: bool) -> str:
    return _csv([[_cell(row[name], raw=raw) for name in _COLUMNS] for row in rows])


def _cell(value: Any, *, raw: bool) -> Any:
    text = json_form(value) if isinstance(value, datetime) else value
    dangerous = isinstance(text, str) and text.startswith(_FORMULA)
    return f"'{text}" if dangerous and not raw else text


def _csv(rows: Sequence[Sequence[Any]]) -> str:
    written = io.StringIO()
    csv.writer(written).writerows(rows)
    return written.getvalue()
