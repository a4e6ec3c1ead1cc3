"""The writer's thread asks for a short slice of the CPU, and nobody minds where that is refused."""

import ctypes
import os
import platform
import struct
import threading
from typing import cast

import pytest

from attendance.db import Database
from attendance.db.fast import thread_slice

_SCHED_GETATTR = {"x86_64": 315, "aarch64": 275}
_ATTRIBUTES = struct.Struct("=IIQiIQQQ")


def _slice_nanoseconds() -> int:
    """What the calling thread has asked for; on Linux before 6.12 always 0."""
    number = _SCHED_GETATTR[platform.machine()]
    told = ctypes.create_string_buffer(_ATTRIBUTES.size)
    assert ctypes.CDLL(None).syscall(number, 0, told, _ATTRIBUTES.size, 0) == 0
    return cast("int", _ATTRIBUTES.unpack(told.raw)[5])


def _takes_slices() -> bool:
    major, minor = platform.release().split(".")[:2]
    return (int(major), int(minor)) >= (6, 12)


def test_the_thread_that_writes_wakes_promptly_and_no_other(database: Database) -> None:
    others, writers = _slice_nanoseconds(), database.write(lambda _: _slice_nanoseconds())
    assert others != thread_slice.SLICE_NANOSECONDS
    assert writers == (thread_slice.SLICE_NANOSECONDS if _takes_slices() else 0)


def test_a_thread_keeps_its_niceness() -> None:
    seen: list[int] = []

    def ask() -> None:
        me = threading.get_native_id()
        os.setpriority(os.PRIO_PROCESS, me, os.getpriority(os.PRIO_PROCESS, me) + 1)
        before = os.getpriority(os.PRIO_PROCESS, me)
        thread_slice.wake_promptly()
        seen.extend([before, os.getpriority(os.PRIO_PROCESS, me)])

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join()
    assert seen[0] == seen[1]


@pytest.mark.parametrize("machine", ["sparc64", ""])
def test_an_unknown_machine_is_asked_nothing(machine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: machine)
    assert not thread_slice.wake_promptly()


def test_a_refusal_is_survived(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    # A number that no call has: the kernel answers as a sandbox does that forbids it.
    monkeypatch.setattr(thread_slice, "_SCHED_SETATTR", {platform.machine(): 100_000})
    assert not thread_slice.wake_promptly()
    assert database.write(lambda _: 7) == 7


@pytest.mark.parametrize("call", ["sched_getscheduler", "getpriority"])
def test_a_sandbox_that_forbids_to_ask_ends_no_writer(
    database: Database, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    def forbidden(*_: object) -> int:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, call, forbidden)
    assert database.write(lambda _: 7) == 7
