"""Whether this process can listen where BIND says.

gunicorn tries for five seconds, and then says so in ten lines without the setting's name.
"""

import errno
import os
import socket

import click
from gunicorn import util

_REMEDIES = {
    errno.EADDRINUSE: "stop what listens there, or give another port.",
    errno.EADDRNOTAVAIL: "give an address of this machine, such as 127.0.0.1:8000.",
    errno.EACCES: "give a port of 1024 or more.",
}


def refuse_unusable(bind: str) -> None:
    """Raises ClickException where nobody can listen at `bind`.

    A socket in the file system is left to gunicorn, which replaces an old one.
    """
    if bind.startswith("unix:") or _is_given_otherwise():
        return
    try:
        _try(*util.parse_address(bind))
    except OSError as error:
        remedy = _REMEDIES.get(error.errno or 0, "give another address.")
        raise click.ClickException(
            f"BIND is {bind}, where this process cannot listen ({error.strerror}): {remedy}"
        ) from None


def _is_given_otherwise() -> bool:
    """Return whether systemd, or an option of gunicorn's own, says where to listen."""
    options = os.environ.get("GUNICORN_CMD_ARGS", "").split()
    return "LISTEN_FDS" in os.environ or any(one.startswith(("-b", "--bind")) for one in options)


def _try(host: str, port: int) -> None:
    family = socket.AF_INET6 if util.is_ipv6(host) else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        # As gunicorn does: what an ended service leaves behind for a minute is no hindrance.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((host, port))
