"""`manage.py serve`: upgrade, then gunicorn."""

import os
import sys
from pathlib import Path

import click
from gunicorn.app import wsgiapp

import attendance
from attendance.cli import interrupts
from attendance.cli.context import load_settings
from attendance.cli.db.upgrade import upgraded
from attendance.cli.options import examples
from attendance.cli.serve import demo
from attendance.cli.serve.port_check import refuse_unusable
from attendance.notifications.texts import Notices

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
    interrupts.end_at_once()  # until gunicorn listens: what is half done, the database undoes
    settings = load_settings()
    Notices(settings.notice_template)
    refuse_unusable(settings.bind)
    upgraded(settings)
    if sandbox:
        os.environ.update(demo.start(settings.database_url, settings.bind))
    _become_gunicorn()


def _become_gunicorn() -> None:
    """Go on as gunicorn's master, in this process: what it needs is imported already. Signals and
    the exit code are gunicorn's own."""
    config = next((place / _CONFIG for place in _PLACES if (place / _CONFIG).exists()), None)
    script = Path(sys.executable).with_name("gunicorn")
    if config is None or not script.exists():
        missing = _CONFIG if config is None else script
        raise click.ClickException(f"{missing} is missing: install the package again.")
    # For the new master of an upgrade by USR2, which is started by this command: the code that runs
    # here is the code that is to serve, whatever is installed beside it. The script and not
    # `-m gunicorn`: that puts gunicorn's own folder first where modules are looked for, and its
    # `http` there before Python's.
    path = os.pathsep.join(filter(None, (str(_PLACES[0]), os.environ.get("PYTHONPATH"))))
    os.environ["PYTHONPATH"] = path
    sys.argv = [str(script), "-c", str(config)]
    sys.stdout.flush()
    wsgiapp.run()
