"""Options and arguments that several commands have, and the examples below a command's help."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from attendance import config
from attendance.db import utc_now

NEGATIVE_ID = {"ignore_unknown_options": True}
"""A command's settings with which -1001234567890 is an argument, also without -- before it."""

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")
reason_option = click.option("--reason", help="Why, for the audit trail.")


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


chat_argument = click.argument("chat_id", type=ChatId(), metavar="ID")


def examples(*lines: str) -> Callable[[click.Command], click.Command]:
    """Put lines to paste at the end of a command's help: settings may stand before the command."""
    shown = [one if "manage.py " in one else f"manage.py {one}" for one in lines]

    def decorate(command: click.Command) -> click.Command:
        command.epilog = "\b\nExamples:\n" + "\n".join(f"  {line}" for line in shown)
        return command

    return decorate
