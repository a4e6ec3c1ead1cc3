"""`serve --sandbox`: the sandbox in a process beside the service, and a first request to paste.

The hidden command `tryout` is that process. What it is to print once the service answers comes
on standard input, which also tells it when to end: at its end of file, that is when the last
process of the service has gone.
"""

import json
import os
import secrets
import select
import socket
import subprocess
import sys
import urllib.request
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import IO
from urllib.parse import urlsplit

import click
from sqlalchemy import Connection

from attendance import api_keys
from attendance.cli.context import os_user
from attendance.cli.sandbox import DEFAULT_PORT, SANDBOX_CHAT, environment_for, listening
from attendance.db import Database
from attendance.outbox import queries
from attendance.sandbox import Sandbox

KEY_NAME = "sandbox"


def start(database_url: str, bind: str) -> dict[str, str]:
    """Start the sandbox in a process that ends with this one, whatever this one becomes.

    Returns the settings with which the service sends to it. A fresh admin key is printed when the
    service is ready.
    """
    _refuse_other_messages(database_url)
    service, port = _free_address(bind), _free_port()
    command = [sys.executable, "-m", "attendance.cli", "tryout", str(port), service]
    # In a session of its own, for Ctrl-C reaches the whole group: the service delivers its last
    # messages to this child first.
    child = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)
    assert child.stdin is not None  # noqa: S101 - a pipe was asked for
    child.stdin.write(_welcome(service, port, _fresh_key(database_url)).encode() + b"\0")
    child.stdin.flush()
    # Held by gunicorn's master and workers: the child reads the end of file when all are gone.
    os.set_inheritable(os.dup(child.stdin.fileno()), True)  # noqa: FBT003
    return environment_for(Sandbox(port))


def service_url(bind: str) -> str:
    """Return where a client on this machine finds a service that is bound to `bind`."""
    host, _, port = bind.rpartition(":")
    return f"http://{'127.0.0.1' if host in {'', '0.0.0.0', '[::]'} else host}:{port}"  # noqa: S104


@click.command(hidden=True)
@click.argument("port", type=int)
@click.argument("service")
def tryout(port: int, service: str) -> None:
    """Serve the sandbox until standard input ends, and print that once the service answers."""
    orders = sys.stdin.buffer
    with listening(port):
        welcome = b""
        while not welcome.endswith(b"\0"):
            if not (read := orders.read(1)):
                return
            welcome += read
        if _becomes_ready(service, orders):
            click.echo(welcome[:-1].decode())
        orders.read()


def _welcome(service: str, port: int, key: str) -> str:
    body = {"person_id": "ada", "person_name": "Ada Lovelace", "event": "check_in"}
    return f"""
Ready. Nothing leaves this machine: Telegram is played by the sandbox.

  Service    {service}
  Chats      http://127.0.0.1:{port}/
  Admin key  {key}

Paste this into another terminal, and look at the chats:

curl -i {service}/attendance \\
  -H 'Authorization: Bearer {key}' \\
  -H 'Content-Type: application/json' \\
  -d '{json.dumps(body)}'
"""


def _refuse_other_messages(database_url: str) -> None:
    """Refuse a database where messages wait for a real chat: the sandbox would swallow them."""
    database = Database.at(database_url)
    try:
        with database.snapshot() as connection:
            others = queries.waiting_for_others(connection, SANDBOX_CHAT)
    finally:
        database.close()
    if others:
        raise click.ClickException(
            f"{others} messages for other chats wait in {database.name}, and the sandbox would "
            "swallow them: name another database by DATABASE_URL to try things out."
        )


def _fresh_key(database_url: str) -> str:
    """Make a new admin key; the one of the last try ends."""
    context, token = os_user(), secrets.token_urlsafe(32)

    def work(connection: Connection, now: datetime) -> str:
        with suppress(api_keys.NoSuchKey):  # there is none at the first try
            api_keys.revoke(connection, now, context, KEY_NAME)
        return api_keys.create(
            connection, now, context, name=KEY_NAME, role="admin", random_token=lambda: token
        )

    database = Database.at(database_url)
    try:
        return database.write(partial(work, now=database.clock()))
    finally:
        database.close()


def _free_address(bind: str) -> str:
    """Return the service's address; refuse one where another service would answer."""
    if bind.startswith("unix:"):
        raise click.ClickException("--sandbox needs a port to show: set BIND to 127.0.0.1:8000.")
    service = service_url(bind)
    parts = urlsplit(service)
    if not parts.port or not _is_free(parts.hostname or "", parts.port):
        raise click.ClickException(f"BIND is {bind}, and that address is not free: choose another.")
    return service


def _free_port() -> int:
    """Return the sandbox's usual port, or where that is taken any other."""
    if _is_free("127.0.0.1", DEFAULT_PORT):
        return DEFAULT_PORT
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _is_free(host: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def _becomes_ready(service: str, orders: IO[bytes]) -> bool:
    """Wait until the service answers; return False where it ends before that."""
    while not select.select([orders], [], [], 0.05)[0]:
        try:
            with urllib.request.urlopen(f"{service}/readyz", timeout=2):  # noqa: S310 - our own
                return True
        except OSError:
            continue
    return False
