"""How a command prints what it found: as JSON, as a table, or as one `name  value` a line."""

import json
import sys
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any, TextIO

import click

from attendance.config.terminal import HarmlessStream, escaped
from attendance.db import json_form

_LONGEST_CELL = 60
_JOINERS = "\u200c\u200d"
"""With which names are written in some scripts."""


def guard_terminals() -> None:
    """Keep from a terminal whatever would steer it, and whoever prints it, from now on."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is not None and stream.isatty() and steering(stream) is stream:
            setattr(sys, name, HarmlessStream(stream))


def steering(stream: TextIO) -> TextIO:
    """Return the stream for what we draw ourselves, such as a progress bar."""
    return stream.steering if isinstance(stream, HarmlessStream) else stream


def print_json(value: Any) -> None:
    """Print it as JSON, indented."""
    click.echo(escaped(json.dumps(value, ensure_ascii=False, indent=2, default=json_form)))


def print_rows(
    rows: Sequence[Mapping[str, Any]], columns: Mapping[str, str], *, as_json: bool, empty: str
) -> None:
    """Print the named columns (name to heading) as a table, or all of it as JSON.

    Where there are no rows, a table is the sentence `empty`.
    """
    if as_json:
        print_json([dict(row) for row in rows])
    elif not rows:
        click.echo(empty)
    else:
        cells = [[_cell(row[name]) for name in columns] for row in rows]
        for line in aligned([list(columns.values()), *cells]):
            click.echo(line)


def print_fields(values: Mapping[str, Any]) -> None:
    """Print one `name  value` a line, without what is empty."""
    shown = {name: value for name, value in values.items() if value not in {None, ""}}
    width = max((len(name) for name in shown), default=0)
    for name, value in shown.items():
        lines = map(_printable, str(_plain_or_same(value)).split("\n"))
        click.echo(f"{name:<{width}}  " + ("\n" + " " * (width + 2)).join(lines))


def aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield a line for each row, its cells below those of the row before."""
    widths = [max(len(row[index]) for row in rows) for index in range(len(rows[0]))]
    for row in rows:
        padded = (f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True))
        yield "  ".join(padded).rstrip()


def plural(count: int, noun: str) -> str:
    """Return the noun as it stands behind the count."""
    return noun if count == 1 else f"{noun}s"


def counted(count: int, noun: str) -> str:
    """Return `1 row`, or `10,000 rows`."""
    return f"{count:,} {plural(count, noun)}"


def _cell(value: Any) -> str:
    text = "-" if value is None else _printable(" ".join(str(_plain_or_same(value)).split()))
    return text if len(text) <= _LONGEST_CELL else text[: _LONGEST_CELL - 1] + "…"


def _printable(text: str) -> str:
    """Replace what would steer a terminal: much of what is shown was written by clients."""
    return "".join(one if _is_harmless(one) else "\ufffd" for one in text)


def _is_harmless(one: str) -> bool:
    return one.isprintable() or one in _JOINERS or unicodedata.category(one) == "Zs"


def _plain_or_same(value: Any) -> Any:
    return json_form(value) if isinstance(value, date) else value
