"""What a command runs in: the settings, the database, who runs it, and what they typed."""

import os
import pwd
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import click

from attendance import audit
from attendance.cli import sudo
from attendance.config import Settings
from attendance.config.secrets import command_line
from attendance.db import Database, schema

_ARGUMENTS = "attendance.arguments"
_LONGEST_COMMAND = 256


def load_settings() -> Settings:
    """Read the settings from the environment."""
    return Settings.from_env(os.environ)


@contextmanager
def opened_database() -> Iterator[Database]:
    """Open the database that DATABASE_URL names, of this version's shape; close it at the end."""
    database = Database.at(load_settings().database_url)
    try:
        schema.require_current(database)
        yield database
    finally:
        database.close()


def os_user() -> audit.Context:
    """Return who runs the command, for the trail.

    That is the name that the system knows, whatever the environment says, and behind sudo the one
    who called it.
    """
    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        name = None
    behind = sudo.caller(os.environ, os.getppid())
    shown = f"{behind} (as {name})" if behind and behind != name else name
    actor = audit.Actor("os_user", str(os.getuid()), shown)
    return audit.Context(actor, user_agent=_command_line())


def keep_arguments(context: click.Context, arguments: Sequence[str]) -> None:
    """Keep what was typed, before click takes it apart, for `os_user`."""
    context.meta[_ARGUMENTS] = list(arguments)


def _command_line() -> str | None:
    """Return the command with its arguments, as it was typed, for the trail's `user_agent`."""
    context = click.get_current_context(silent=True)
    if context is None:
        return None
    words = ["manage.py", *context.find_root().meta.get(_ARGUMENTS, ())]
    return command_line(words)[:_LONGEST_COMMAND]
