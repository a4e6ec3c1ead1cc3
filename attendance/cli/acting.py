"""What a command refuses, and where it crashes, in the audit trail: as `writes` does for a route.

What it does it audits itself, in the transaction of the act.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import wraps
from typing import Any

import click
from sqlalchemy.exc import SQLAlchemyError

from attendance import audit
from attendance.cli.common import opened_database, os_user
from attendance.config import ConfigError
from attendance.db import DatabaseError
from attendance.secret import without_passwords

_NOTE_TIMEOUT_SECONDS = 2.0

Command = Callable[..., None]


def acts(action: str) -> Callable[[Command], Command]:
    """A command, or one of the acts of which it has several, that changes something, or gives the
    trail out. Wrong usage that was found before it began is no act."""

    def decorate(command: Command) -> Command:
        @wraps(command)
        def wrapped(**arguments: Any) -> None:
            try:
                command(**arguments)
            except (click.exceptions.Exit, BrokenPipeError):
                raise  # what it left alone it has audited; and a reader that goes away is no crash
            except click.ClickException as error:
                _note(action, "refused", without_passwords(error.format_message()), arguments)
                raise
            except (ConfigError, DatabaseError) as error:
                _note(action, "refused", without_passwords(str(error)), arguments)
                raise
            except Exception as error:
                _note(action, "crashed", type(error).__name__, arguments)
                raise

        return wrapped

    return decorate


def _note(action: str, outcome: str, reason: str, arguments: Mapping[str, Any]) -> None:
    """Where there is no database to write to, what is printed says so."""
    chat = arguments.get("chat_id")
    with suppress(ConfigError, DatabaseError, SQLAlchemyError), opened_database() as database:
        now = database.clock()
        target = None if chat is None else "chat"
        entry = audit.entry(now, os_user(), action, target, outcome=outcome, reason=reason)
        database.write(lambda connection: entry.append(connection, chat), _NOTE_TIMEOUT_SECONDS)
