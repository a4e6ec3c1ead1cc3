"""Ports for what a test starts in another process, which cannot tell the one that it was given."""

import random
import socket
from pathlib import Path

_LOWEST = 10_000
LEAST = 11_000
"""Below it we give ports away on any machine, one that connects from nearly all included."""

_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
_chance = random.SystemRandom()  # the tests' own generator begins alike in each process


def free_port() -> int:
    """A port of this machine where nobody listens. The kernel gives it to nobody until it is
    bound: it lies below those from which connections are made, of which other tests make many."""
    below = int(_RANGE.read_text().split()[0]) if _RANGE.exists() else 32_768
    for _ in range(100):
        port = _chance.randrange(_LOWEST, max(below, LEAST))
        if _is_free(port):
            return port
    raise AssertionError(f"100 ports from {_LOWEST} on are taken")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
