"""`manage.py sandbox`: a Bot API of one's own."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import click

from attendance.cli.options import examples
from attendance.sandbox import Sandbox

DEFAULT_PORT = 8081
SANDBOX_CHAT = "1000"


@examples("sandbox", "sandbox --port 9000")
@click.command()
@click.option("--port", type=click.IntRange(0, 65535), default=DEFAULT_PORT, show_default=True)
def sandbox(port: int) -> None:
    """Serve a stand-in for Telegram, with a page that shows the chats as people would see them.

    Nothing leaves this machine. It accepts and refuses as Telegram does, markup included.
    """
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    with listening(port) as running:
        click.echo(f"Chats      {running.url}/")
        click.echo("To send to it, start the service with:")
        for name, value in environment_for(running).items():
            click.echo(f"  export {name}={value}")
        stopped.wait()


@contextmanager
def listening(port: int) -> Iterator[Sandbox]:
    """Run a sandbox. Raises ClickException where the port is taken."""
    running = Sandbox(port)
    try:
        running.start()
    except OSError as error:
        raise click.ClickException(
            f"The sandbox cannot listen on port {port} ({error.strerror}): give it another --port."
        ) from None
    try:
        yield running
    finally:
        running.stop()


def environment_for(running: Sandbox) -> dict[str, str]:
    """Return the settings with which a service sends to the sandbox."""
    return {
        "TELEGRAM_API_BASE": running.url,
        "TELEGRAM_BOT_TOKEN": running.token,
        "TELEGRAM_CHAT_ID": SANDBOX_CHAT,
    }
