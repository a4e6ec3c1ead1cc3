"""What the commands share: settings, the database, who acts, and how things are printed."""

import json
import os
import pwd
import re
import shlex
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Any

import click
from sqlalchemy.exc import SQLAlchemyError

from attendance import audit, config
from attendance.config import ConfigError, Settings
from attendance.config.secrets import redact, without_passwords
from attendance.db import Database, DatabaseError, json_form, schema, utc_now

_ARGUMENTS = "attendance.arguments"
_LONGEST_COMMAND = 256
_JOINERS = "\u200c\u200d"
"""With which names are written in some scripts."""


class Errors(click.Group):
    """A group whose commands end with one sentence and exit code 1 where they are refused."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.meta[_ARGUMENTS] = list(args)
        return super().parse_args(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(self.commands)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (ConfigError, DatabaseError) as error:
            raise click.ClickException(redact(str(error))) from None
        except SQLAlchemyError as error:
            reason = getattr(error, "orig", None) or error
            raise click.ClickException(
                redact(f"The database that DATABASE_URL names refused: {reason}.")
            ) from None
        except UnicodeEncodeError:
            raise click.ClickException("An argument is not text in UTF-8.") from None


def load_settings() -> Settings:
    return Settings.from_env(os.environ)


@contextmanager
def opened_database() -> Iterator[Database]:
    """The database that DATABASE_URL names, of this version's shape, closed at the end."""
    database = Database.at(load_settings().database_url)
    try:
        schema.require_current(database)
        yield database
    finally:
        database.close()


def os_user() -> audit.Context:
    """Who runs the command: the user's name, whatever the environment says, and behind sudo the one
    who called it."""
    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        name = None
    behind = os.environ.get("SUDO_USER")
    shown = f"{behind} (as {name})" if behind and behind != name else name
    actor = audit.Actor("os_user", str(os.getuid()), shown)
    return audit.Context(actor, user_agent=_command_line())


def _command_line() -> str | None:
    """The command with its arguments, as it was typed, for the trail's `user_agent`."""
    context = click.get_current_context(silent=True)
    if context is None:
        return None
    words = ["manage.py", *context.find_root().meta.get(_ARGUMENTS, ())]
    return redact(shlex.join(map(without_passwords, words)))[:_LONGEST_COMMAND]


json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")


def print_json(value: Any) -> None:
    click.echo(json.dumps(value, ensure_ascii=False, indent=2, default=json_form))


def print_rows(
    rows: Sequence[Mapping[str, Any]], columns: Mapping[str, str], *, as_json: bool, empty: str
) -> None:
    """A table of the named columns (name to heading), or all of it as JSON, or the word `empty`."""
    if as_json:
        print_json([dict(row) for row in rows])
    elif not rows:
        click.echo(empty)
    else:
        cells = [[_cell(row[name]) for name in columns] for row in rows]
        for line in aligned([list(columns.values()), *cells]):
            click.echo(line)


def print_fields(values: Mapping[str, Any]) -> None:
    """One `name  value` a line, without what is empty."""
    shown = {name: value for name, value in values.items() if value not in {None, ""}}
    width = max((len(name) for name in shown), default=0)
    for name, value in shown.items():
        lines = map(_printable, str(_plain_or_same(value)).split("\n"))
        click.echo(f"{name:<{width}}  " + ("\n" + " " * (width + 2)).join(lines))


class When(click.ParamType[datetime]):
    """A time with an offset, a date (in UTC), or an age such as 90s, 30m, 12h or 7d."""

    name = "when"
    _units: Mapping[str, str] = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}

    def convert(  # click names the arguments
        self,
        value: Any,
        param: click.Parameter | None,  # noqa: ARG002
        ctx: click.Context | None,  # noqa: ARG002
    ) -> datetime:
        if isinstance(value, datetime):
            return value
        try:
            return self._read(value)
        except (ValueError, OverflowError):
            self.fail(f"{value!r} is no time: give 2026-11-23T09:00:00Z, 2026-11-23 or 12h.")

    def _read(self, value: str) -> datetime:
        age = re.fullmatch(r"([0-9]{1,6})([smhd])", value)
        if age:
            return utc_now() - timedelta(**{self._units[age[2]]: int(age[1])})
        time = datetime.fromisoformat(value)
        if time.tzinfo is None and len(value) > len("2026-11-23"):
            self.fail(f"{value!r} has no offset: end it with Z or +01:00.")
        return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)


class ChatId(click.ParamType[str]):
    """A chat's id: a whole number, or @name."""

    name = "chat"

    def convert(  # click names the arguments
        self,
        value: Any,
        param: click.Parameter | None,  # noqa: ARG002
        ctx: click.Context | None,  # noqa: ARG002
    ) -> str:
        if value.startswith("--"):
            self.fail(f"There is no option {value}.")
        try:
            return config.chat_id(value)
        except ValueError as error:
            self.fail(f"The id {error}")


NEGATIVE_ID = {"ignore_unknown_options": True}
"""A command's settings with which -1001234567890 is an argument, also without -- before it."""

chat_argument = click.argument("chat_id", type=ChatId(), metavar="ID")


def examples(*lines: str) -> Callable[[click.Command], click.Command]:
    """Put lines to paste at the end of a command's help: settings may stand before the command."""
    shown = [one if "manage.py " in one else f"manage.py {one}" for one in lines]

    def decorate(command: click.Command) -> click.Command:
        command.epilog = "\b\nExamples:\n" + "\n".join(f"  {line}" for line in shown)
        return command

    return decorate


def aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """A line for each row, its cells below those of the row before."""
    widths = [max(len(row[index]) for row in rows) for index in range(len(rows[0]))]
    for row in rows:
        padded = (f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True))
        yield "  ".join(padded).rstrip()


def _cell(value: Any) -> str:
    text = "-" if value is None else _printable(" ".join(str(_plain_or_same(value)).split()))
    return text if len(text) <= 60 else text[:59] + "…"


def _printable(text: str) -> str:
    """Without what would steer a terminal: clients write much of what is shown."""
    return "".join(one if _is_harmless(one) else "\ufffd" for one in text)


def _is_harmless(one: str) -> bool:
    return one.isprintable() or one in _JOINERS or unicodedata.category(one) == "Zs"


def _plain_or_same(value: Any) -> Any:
    return json_form(value) if isinstance(value, date) else value
