"""`manage.py chats`: the destinations, what they are told of, and their state.

A file for each command.
"""

import click

from attendance.cli.chats import add, discover, pause, remove, resume, test
from attendance.cli.chats import list as list_


@click.group("chats")
def group() -> None:
    """The chats that messages go to, and what each is told of."""


for command in (
    list_.list_,
    add.add,
    remove.remove,
    pause.pause,
    resume.resume,
    test.test,
    discover.discover,
):
    group.add_command(command)
