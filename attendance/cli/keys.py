"""`manage.py keys`: who may call the API."""

import secrets
from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

import click
from sqlalchemy import Connection

from attendance import api_keys
from attendance.cli.audited import audited
from attendance.cli.common import (
    examples,
    json_option,
    opened_database,
    os_user,
    print_json,
    print_rows,
)
from attendance.models import ROLES, Role

T = TypeVar("T")


@click.group()
def keys() -> None:
    """API keys: made, listed, rotated, revoked. A key is shown once and kept as a hash."""


@examples("keys create front-door --role frontend", "keys create ines --role auditor --json")
@keys.command()
@click.argument("name")
@click.option("--role", type=click.Choice(ROLES), required=True, help="What the key may do.")
@json_option
@audited("key.created")
def create(name: str, role: Role, as_json: bool) -> None:
    """Make a key called NAME and print it: the last line is the key alone."""

    context, token = os_user(), _token()

    def work(connection: Connection, now: datetime) -> str:
        return api_keys.create(
            connection, now, context, name=name, role=role, random_token=lambda: token
        )

    _print_key(name, role, _write(work), as_json=as_json)


@examples("keys list", "keys list --json")
@keys.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List all keys, the revoked ones too."""
    with opened_database() as database, database.snapshot() as connection:
        rows = api_keys.listed(connection)
    columns = {
        "id": "ID",
        "name": "NAME",
        "role": "ROLE",
        "created_at": "CREATED",
        "last_used_at": "LAST USED",
        "revoked_at": "REVOKED",
    }
    empty = "No keys yet: make one with `manage.py keys create NAME --role frontend`."
    print_rows(rows, columns, as_json=as_json, empty=empty)


@examples("keys rotate front-door")
@keys.command()
@click.argument("name_or_id")
@json_option
@audited("key.rotated")
def rotate(name_or_id: str, as_json: bool) -> None:
    """Replace a key by a new one of the same name and role; the old one ends at once.

    What clients sent under the old key (Idempotency-Key, client_event_id) stays known.
    """
    context, token = os_user(), _token()

    def work(connection: Connection, now: datetime) -> str:
        return api_keys.rotate(
            connection, now, context, name_or_id=name_or_id, random_token=lambda: token
        )

    _print_key(name_or_id, None, _write(work), as_json=as_json)


@examples("keys revoke front-door", "keys revoke 3")
@keys.command()
@click.argument("name_or_id")
@audited("key.revoked")
def revoke(name_or_id: str) -> None:
    """End a key at once, everywhere."""
    context = os_user()
    _write(lambda connection, now: api_keys.revoke(connection, now, context, name_or_id))
    click.echo(f"The key {name_or_id} is revoked.")


def _write(work: Callable[[Connection, datetime], T]) -> T:
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


def _token() -> str:
    return secrets.token_urlsafe(32)


def _print_key(name: str, role: str | None, key: str, *, as_json: bool) -> None:
    if as_json:
        print_json({"name": name, "role": role, "key": key})
        return
    click.echo("Keep it now: it is shown once.", err=True)
    click.echo(key)
