"""The command line: `manage.py`, and the same as the installed command `attendance`.

One module for each group of commands. A command parses, calls and prints; its docstring is its
help. Exit 0: done. 1: refused, or something wrong was found. 2: wrong usage.
"""

import click

from attendance.cli.audit import audit
from attendance.cli.chats import chats
from attendance.cli.common import Errors
from attendance.cli.db import db
from attendance.cli.dispatch import dispatch
from attendance.cli.doctor import doctor
from attendance.cli.keys import keys
from attendance.cli.move import move
from attendance.cli.outbox import outbox
from attendance.cli.sandbox import sandbox
from attendance.cli.serve import serve
from attendance.cli.tryout import run as tryout


@click.group(cls=Errors, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="attendance", message="%(prog)s %(version)s")
def main() -> None:
    """Record attendance and tell people about it on Telegram, with nothing lost.

    Settings come from the environment: DATABASE_URL, TELEGRAM_BOT_TOKEN, TELEGRAM_CHAT_ID and
    those in docs/settings.md. `COMMAND --help` shows each command's examples.
    """


for command in (serve, dispatch, sandbox, db, keys, chats, outbox, audit, doctor):
    main.add_command(command)
db.add_command(move)
main.add_command(tryout, "tryout")
