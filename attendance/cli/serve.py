"""`manage.py serve`: upgrade, then gunicorn."""

import os
import sys
from pathlib import Path

import click

import attendance
from attendance.cli import tryout
from attendance.cli.common import examples, load_settings
from attendance.cli.db import upgraded

_CONFIG = "gunicorn.conf.py"
_PLACES = (
    Path(attendance.__file__).parent.parent,
    Path(sys.prefix) / "share" / "attendance",
)


@examples("serve", "serve --sandbox", "BIND=0.0.0.0:8000 manage.py serve")
@click.command()
@click.option("--sandbox", is_flag=True, help="Play Telegram on this machine, to try things out.")
def serve(sandbox: bool) -> None:
    """Upgrade the database and serve HTTP, delivering messages from each worker.

    Stops on SIGTERM, after what is under way. With --sandbox it also starts a stand-in for
    Telegram, and prints a key, the pages' addresses and a request to paste.
    """
    settings = load_settings()
    upgraded(settings)
    if sandbox:
        os.environ.update(tryout.prepare(settings.database_url, settings.bind))
    config = next((place / _CONFIG for place in _PLACES if (place / _CONFIG).exists()), None)
    if config is None:
        raise click.ClickException(f"{_CONFIG} is missing: install the package again.")
    # This process becomes gunicorn's master: signals and the exit code are gunicorn's own.
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-m", "gunicorn", "-c", str(config)])  # noqa: S606
