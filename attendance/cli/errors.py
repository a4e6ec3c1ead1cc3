"""What a command raises, as one sentence for whoever runs it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click
from sqlalchemy.exc import SQLAlchemyError

from attendance.cli.context import keep_arguments
from attendance.cli.output import guard_terminals
from attendance.config import ConfigError
from attendance.config.secrets import redact
from attendance.config.terminal import harmless
from attendance.db import DatabaseError


class Errors(click.Group):
    """A group whose commands end with one sentence and exit code 1 where they are refused."""

    def main(self, *arguments: Any, **options: Any) -> Any:
        guard_terminals()
        return super().main(*arguments, **options)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        keep_arguments(ctx, args)
        with _harmless_message():
            return super().parse_args(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(self.commands)

    def invoke(self, ctx: click.Context) -> Any:
        with _harmless_message():
            return self._invoke(ctx)

    def _invoke(self, ctx: click.Context) -> Any:
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


@contextmanager
def _harmless_message() -> Iterator[None]:
    """Take out of the message of an error what would steer a terminal: it quotes what was typed."""
    try:
        yield
    except click.ClickException as error:
        vars(error)["message"] = harmless(error.message)  # which click means to be final
        raise
