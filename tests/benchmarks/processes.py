"""What the kernel tells of processes, and addresses for them."""

import os
import socket
from contextlib import suppress
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def children(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(child) for child in text.split()]


def cpu_seconds(pid: int) -> float:
    """User and system time of all threads of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def cpu_seconds_of_all(pid: int) -> float:
    """The same of a process, its children, and those that it has waited for."""
    while True:
        there = children(pid)
        # Who ends meanwhile would be counted twice, or not at all.
        with suppress(FileNotFoundError, ProcessLookupError):
            total = sum(map(cpu_seconds, (pid, *there))) + _cpu_seconds_of_gone(pid)
            if children(pid) == there:
                return total


def _cpu_seconds_of_gone(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[13]) + int(fields[14])) / _TICKS


def resident_mib(pid: int) -> float:
    """What a process holds of memory that it shares with nobody: its own growth shows here."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    private = [line.split()[1] for line in text.splitlines() if line.startswith("Private_")]
    return sum(map(int, private)) / 1024
