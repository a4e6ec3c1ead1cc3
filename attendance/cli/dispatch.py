"""`manage.py dispatch`: the dispatcher alone."""

import logging.config
import os
import signal
import threading

import click

from attendance.audit.throttle import Throttle
from attendance.cli.context import load_settings, opened_database
from attendance.cli.options import examples
from attendance.config import typos
from attendance.config.logs import logging_config
from attendance.db import schema
from attendance.worker import UNCONFIGURED, Running, create_dispatcher, create_lifecycle


@examples("dispatch")
@click.command()
def dispatch() -> None:
    """Deliver messages until SIGTERM, without serving HTTP.

    For a host that is to deliver only; a service started with DISPATCHER=off leaves the delivery
    to it. Any number of dispatchers share one database and one pace.
    """
    settings = load_settings()
    logging.config.dictConfig(logging_config(settings.log_format))
    typos.warn(os.environ)
    stopped = threading.Event()
    with opened_database() as database:
        schema.require_open(database)
        if not settings.telegram_configured:
            raise click.ClickException(UNCONFIGURED)
        lifecycle = create_lifecycle("dispatcher", settings, database, Throttle())
        dispatcher = create_dispatcher(
            settings,
            database,
            threading.Event(),
            is_alive=lambda: not stopped.is_set(),
            lifecycle_tasks=lifecycle.tasks,
            on_crash=lifecycle.note_failure,
        )
        assert dispatcher is not None  # noqa: S101 - it is configured
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stopped.set())
        lifecycle.note_start()
        running = Running.start(dispatcher, lifecycle.note_failure)
        click.echo("Delivering; stop me with SIGTERM or Ctrl-C.", err=True)
        stopped.wait()
        running.stop(settings.stop_seconds)
        lifecycle.finish()
