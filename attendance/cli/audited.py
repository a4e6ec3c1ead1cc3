"""Put into the audit trail what a command refuses, and where it crashes.

As `audited_write` does for a route. What a command does it audits itself, in the act's transaction.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import wraps
from typing import Any

import click
from sqlalchemy.exc import SQLAlchemyError

from attendance import audit
from attendance.cli.context import opened_database, os_user
from attendance.config import ConfigError
from attendance.config.secrets import without_passwords
from attendance.db import BRIEF_WRITE_SECONDS, DatabaseError

_LONGEST_TARGET = 64
_TARGETS = {"chat_id": "chat", "name_or_id": "api_key"}
"""What commands call the argument that says what to act on, and the type of that."""

Command = Callable[..., None]


def audited(action: str) -> Callable[[Command], Command]:
    """Decorate a command, or one of its acts, that changes something or gives the trail out.

    Wrong usage that is found before it begins is no act.
    """

    def decorate(command: Command) -> Command:
        @wraps(command)
        def wrapped(**arguments: Any) -> None:
            try:
                command(**arguments)
            except (click.exceptions.Exit, BrokenPipeError):
                raise  # what it left alone it has audited; and a reader that goes away is no crash
            except click.ClickException as error:
                _note(action, "refused", error.format_message(), arguments)
                raise
            except (ConfigError, DatabaseError) as error:
                _note(action, "refused", str(error), arguments)
                raise
            except Exception as error:
                _note(action, "crashed", type(error).__name__, arguments)
                raise

        return wrapped

    return decorate


def _note(action: str, outcome: str, reason: str, arguments: Mapping[str, Any]) -> None:
    """Append the row; where there is no database to write to, what is printed says so."""
    kind, asked_for = _target(arguments)
    with suppress(ConfigError, DatabaseError, SQLAlchemyError), opened_database() as database:
        now = database.clock()
        entry = audit.entry(now, os_user(), action, kind, outcome=outcome, reason=reason)
        database.write(lambda c: entry.append(c, asked_for), BRIEF_WRITE_SECONDS)


def _target(arguments: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """Return the type, and the id or name, of what was asked for, which need not exist."""
    for argument, kind in _TARGETS.items():
        if argument in arguments:
            return kind, without_passwords(arguments[argument])[:_LONGEST_TARGET]
    return None, None
