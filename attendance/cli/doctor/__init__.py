"""`manage.py doctor`: every setting and invariant that can be proved, a line each.

A file for each subject; each yields what it finds.
"""

from collections.abc import Callable
from dataclasses import asdict

import click
from sqlalchemy.exc import SQLAlchemyError

from attendance.cli.context import load_settings
from attendance.cli.doctor import service, storage, telegram
from attendance.cli.doctor.findings import Finding, Findings
from attendance.cli.doctor.settings import misspelt, proxies, rates
from attendance.cli.options import examples, json_option
from attendance.cli.output import print_json
from attendance.config import ConfigError, Settings
from attendance.db import Damaged, Database, DatabaseError, schema
from attendance.notifications import routing
from attendance.notifications.texts import Notices

_RESTORE = "stop the service, keep the files, restore a backup"
_CHECKS: tuple[Callable[[Database, Settings], Findings], ...] = (
    storage.where_it_is_kept,
    storage.soundness,
    service.keys,
    service.outbox,
    service.dispatchers,
    service.sealing,
)


@examples("doctor", "doctor --json")
@click.command()
@json_option
def doctor(as_json: bool) -> None:
    """Check settings, database, outbox and Telegram; exit 1 where something has to be mended."""
    findings = list(_examine())
    if as_json:
        print_json([asdict(finding) for finding in findings])
    else:
        width = max(len(one.subject) for one in findings)
        for one in findings:
            remedy = f" → {one.remedy}" if one.remedy else ""
            click.echo(f"{one.state:<4}  {one.subject:<{width}}  {one.found}{remedy}")
    if any(finding.state == "fail" for finding in findings):
        raise click.exceptions.Exit(1)


def _examine() -> Findings:
    try:
        settings = load_settings()
        Notices(settings.notice_template)
    except ConfigError as error:
        yield Finding("fail", "settings", str(error))
        return
    yield from misspelt()
    yield from proxies(settings)
    yield from rates(settings)
    destinations: set[str] = set()
    yield from _examine_database(settings, destinations)
    yield from telegram.bot_and_chats(settings, destinations)


def _examine_database(settings: Settings, destinations: set[str]) -> Findings:
    """Fill in `destinations`, which are to be asked of Telegram."""
    try:
        database = Database.at(settings.database_url)
        try:
            schema.require_open(database)
            for check in _CHECKS:
                yield from check(database, settings)
            with database.snapshot() as connection:
                destinations.update(route["chat_id"] for route in routing.listed(connection))
        finally:
            database.close()
    except Damaged as error:
        yield Finding("fail", "database", str(error), _RESTORE)
    except DatabaseError as error:
        yield Finding("fail", "database", str(error))
    except SQLAlchemyError as error:
        yield Finding("fail", "database", str(getattr(error, "orig", error)), _RESTORE)
