"""The command line: `manage.py`, and the same as the installed command `attendance`.

A folder for each group of commands, and in it a file for each command; a command without a group
is a file, or a folder where it has several parts. A command parses, calls and prints; its
docstring is its help. Exit 0: done. 1: refused, or something wrong was found. 2: wrong usage.
"""

import click

from attendance.cli import (
    audit,
    chats,
    db,
    dispatch,
    doctor,
    interrupts,
    keys,
    outbox,
    sandbox,
    serve,
)
from attendance.cli.errors import Errors
from attendance.cli.serve import demo
from attendance.config.version import version


@click.group(cls=Errors, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(version(), message="%(prog)s %(version)s")
def main() -> None:
    """Record attendance and tell people about it on Telegram, with nothing lost.

    Settings come from the environment: DATABASE_URL, TELEGRAM_BOT_TOKEN, TELEGRAM_CHAT_ID and
    those in docs/settings.md. `COMMAND --help` shows each command's examples.
    """
    interrupts.raise_again()


for command in (
    serve.serve,
    dispatch.dispatch,
    sandbox.sandbox,
    db.group,
    keys.group,
    chats.group,
    outbox.group,
    audit.group,
    doctor.doctor,
    demo.tryout,
):
    main.add_command(command)
