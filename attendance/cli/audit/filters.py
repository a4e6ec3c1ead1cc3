"""Which rows `audit list` and `audit export` take."""

from collections.abc import Callable

import click

from attendance.cli.options import When


def filters(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that say which rows, as those of `GET /audit`."""
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
