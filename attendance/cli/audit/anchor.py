"""`manage.py audit anchor`."""

import socket
from pathlib import Path

import click

from attendance.audit import seals
from attendance.audit.checkpoint import Checkpoint
from attendance.cli.context import opened_database
from attendance.cli.options import examples
from attendance.cli.output import counted


@examples("audit anchor", "audit anchor /mnt/witness/head.txt")
@click.command()
@click.argument("file", required=False, type=click.Path(path_type=Path, dir_okay=False))
def anchor(file: Path | None) -> None:
    """Print the newest seal as a checkpoint, or add it to FILE: keep it where no admin can write.

    `audit verify --anchor FILE` then finds whether the trail still leads to it.
    """
    with opened_database() as database, database.snapshot() as connection:
        newest = seals.head(connection)
    if newest is None:
        raise click.ClickException("Nothing is sealed yet: a running service seals within seconds.")
    checkpoint = Checkpoint.of(newest, socket.gethostname())
    if file is None:
        click.echo(checkpoint, nl=False)
        return
    try:
        with file.open("a", encoding="utf-8") as kept:
            kept.write(f"{checkpoint}\n")
    except OSError as error:
        raise click.ClickException(f"{file} cannot be written: {error.strerror}.") from None
    click.echo(f"{counted(checkpoint.size, 'row')}, up to seal {newest['id']}: anchored in {file}.")
