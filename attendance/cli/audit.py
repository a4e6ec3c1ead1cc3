"""`manage.py audit`: the trail."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

import click

from attendance.audit import Context, export, listing
from attendance.cli import sealing
from attendance.cli.audited import audited
from attendance.cli.common import (
    When,
    examples,
    json_option,
    opened_database,
    os_user,
    print_json,
    print_rows,
)
from attendance.db import Database, Moved
from attendance.records.trace import follow

_COLUMNS = {
    "id": "ID",
    "occurred_at": "WHEN",
    "actor_name": "WHO",
    "action": "ACTION",
    "outcome": "OUTCOME",
    "target_type": "ON",
    "target_id": "ID OF IT",
    "reason": "REASON",
}


@click.group()
def audit() -> None:
    """The audit trail: who did what, when, from where, with what outcome."""


def _filters(command: Callable[..., None]) -> Callable[..., None]:
    """The options that say which rows, as those of `GET /audit`."""
    for option in reversed(
        (
            click.option("--actor", help="A key's or user's id or name."),
            click.option("--action", help="Such as attendance.recorded."),
            click.option("--target", help="An id, or type:id such as outbox:17."),
            click.option("--outcome", help="Such as success, refused or crashed."),
            click.option("--request-id", help="Everything that came of one request."),
            click.option("--since", type=When(), help="From this time on, or the last 12h, 7d."),
            click.option("--until", type=When(), help="Before this time."),
        )
    ):
        command = option(command)
    return command


@examples(
    "audit list --since 24h",
    "audit list --action outbox.retried",
    "audit list --target attendance:17 --json",
    "audit list --before 1200 --limit 200",
)
@audit.command("list")
@_filters
@click.option("--before", type=click.IntRange(1), metavar="ID", help="Only rows before this one.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True)
@json_option
def list_(before: int | None, limit: int, as_json: bool, **chosen: Any) -> None:
    """List the trail, the newest first; the next page is what lies before its last row."""
    with opened_database() as database, database.snapshot() as connection:
        rows = listing.entries(connection, listing.Filter(**chosen), before_id=before, limit=limit)
    print_rows(rows, _COLUMNS, as_json=as_json, empty="Nothing in the trail fits.")


@examples("audit export > trail.csv", "audit export --format jsonl --since 30d november.jsonl")
@audit.command("export")
@click.argument("file", required=False, type=click.Path(path_type=Path, dir_okay=False))
@_filters
@click.option("--format", "form", type=click.Choice(export.FORMS), default="csv", show_default=True)
@click.option("--raw", is_flag=True, help="CSV as stored, also where a cell looks like a formula.")
@audited("audit.exported")
def export_(file: Path | None, form: export.Form, raw: bool, **chosen: Any) -> None:
    """Write the trail to FILE, which must not exist, or to standard output; itself audited."""
    wanted = export.Export(listing.Filter(**chosen), form, raw)
    context = os_user()
    with opened_database() as database, _output(file) as output:
        for part in export.stream(database, wanted, _begin(database, context, wanted)):
            output.write(part)


def _begin(database: Database, context: Context, wanted: export.Export) -> int:
    """The last row to export, once that is noted; a database that was moved away takes no note."""
    now = database.clock()
    try:
        return database.write(lambda connection: export.begin(connection, now, context, wanted))
    except Moved:
        with database.snapshot() as connection:
            return listing.last_id(connection)


@contextmanager
def _output(file: Path | None) -> Iterator[TextIO]:
    """FILE, new, readable by this user alone and gone again where the export fails, or standard
    output."""
    if file is None:
        yield sys.stdout
        return
    try:
        descriptor = os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except OSError as error:
        raise click.ClickException(f"{file} cannot be made: {error.strerror}.") from None
    try:
        with open(descriptor, "w", encoding="utf-8", newline="") as output:  # noqa: PTH123
            yield output
    except BaseException:
        file.unlink(missing_ok=True)
        raise


@examples("audit trace 87959e259fca44d380204f9a941b76da")
@audit.command()
@click.argument("request_id", metavar="ID")
@json_option
def trace(request_id: str, as_json: bool) -> None:
    """Follow one request (its X-Request-Id) to what was recorded, told, tried and delivered."""
    with opened_database() as database, database.snapshot() as connection:
        found = follow(connection, request_id)
    if found is None:
        raise click.ClickException(f"The trail knows no request {request_id}.")
    if as_json:
        print_json(found)
        return
    for what, columns in _TRACED.items():
        click.echo(what.capitalize())
        print_rows(found[what], columns, as_json=False, empty="-")
        click.echo()
    click.echo("Attempts")
    attempts = [one for message in found["messages"] for one in _attempts(message)]
    print_rows(attempts, _ATTEMPTS, as_json=False, empty="-")


def _attempts(message: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"message": message["id"], **attempt} for attempt in message["attempt_list"]]


_TRACED = {
    "audit": _COLUMNS,
    "attendance": {
        "id": "ID",
        "person_id": "PERSON",
        "event": "EVENT",
        "occurred_at": "OCCURRED",
        "received_at": "RECEIVED",
    },
    "messages": {
        "id": "ID",
        "chat_id": "CHAT",
        "status": "STATUS",
        "sent_at": "SENT",
        "telegram_message_id": "TELEGRAM'S ID",
        "request_id": "BY REQUEST",
    },
}
_ATTEMPTS = {
    "message": "MESSAGE",
    "number": "TRY",
    "started_at": "STARTED",
    "ended_at": "ENDED",
    "outcome": "OUTCOME",
    "error": "ERROR",
}

audit.add_command(sealing.verify)
audit.add_command(sealing.anchor)
audit.add_command(sealing.prune)
