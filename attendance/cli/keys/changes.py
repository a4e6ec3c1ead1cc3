"""What the commands that change keys share: what is refused, and how a new key is shown."""

import secrets
from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

import click
from sqlalchemy import Connection

from attendance import api_keys
from attendance.cli.context import opened_database
from attendance.cli.output import print_json

T = TypeVar("T")


def change(work: Callable[[Connection, datetime], T]) -> T:
    """Do the work in one transaction. Raises ClickException where the keys do not allow it."""
    try:
        with opened_database() as database:
            now = database.clock()
            return database.write(lambda connection: work(connection, now))
    except api_keys.NameTaken as error:
        raise click.ClickException(
            f"A live key is called {error}: choose another name, or `keys rotate {error}`."
        ) from None
    except api_keys.BadName:
        raise click.BadParameter(
            "give 1 to 64 printable characters, not only digits: those would be an id.",
            param_hint="NAME",
        ) from None
    except api_keys.NoSuchKey as error:
        raise click.ClickException(
            f"There is no live key {error}: `manage.py keys list` shows them."
        ) from None


def new_token() -> str:
    """Return the random part of a new key."""
    return secrets.token_urlsafe(32)


def print_key(name: str, role: str | None, key: str, *, as_json: bool) -> None:
    """Print a new key, the only time that it can be seen."""
    if as_json:
        print_json({"name": name, "role": role, "key": key})
        return
    click.echo("Keep it now: it is shown once.", err=True)
    click.echo(key)
