"""File systems of our own: one whose power can be cut, and one that is soon full.

Both take root, and the former loop devices and `mkfs.ext4`; without them a test is skipped.
"""

import fcntl
import os
import shutil
import struct
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_EXT4_IOC_SHUTDOWN = 0x8004587D
_WITHOUT_FLUSHING_THE_LOG = 2
_IMAGE_BYTES = 64 * 1024 * 1024
_UNMOUNTED_WITHIN_SECONDS = 10.0
_SELDOM = "commit=600"
"""Seconds after which ext4 writes by itself what nobody has synced: five, where nothing is said."""


class Ext4:
    """An ext4 file system in a file, mounted at `place`."""

    def __init__(self, folder: Path) -> None:
        self._image = folder / "ext4.img"
        self.place = folder / "ext4"
        self.place.mkdir()
        with self._image.open("wb") as image:
            image.truncate(_IMAGE_BYTES)
        subprocess.run(["mkfs.ext4", "-q", "-F", str(self._image)], check=True)
        self.mount()

    def mount(self) -> None:
        subprocess.run(
            ["mount", "-o", f"loop,{_SELDOM}", str(self._image), str(self.place)], check=True
        )

    def unmount(self) -> None:
        """Whoever was killed a moment ago may still be on the way out."""
        command, deadline = (
            ["umount", str(self.place)],
            time.monotonic() + _UNMOUNTED_WITHIN_SECONDS,
        )
        while subprocess.run(command, capture_output=True, check=False).returncode != 0:
            assert time.monotonic() < deadline, f"{self.place} is in use"
            time.sleep(0.01)

    def cut_power(self) -> None:
        """From now on nothing reaches the disk, what the kernel still holds included."""
        descriptor = os.open(self.place, os.O_RDONLY)
        try:
            how = struct.pack("I", _WITHOUT_FLUSHING_THE_LOG)
            fcntl.ioctl(descriptor, _EXT4_IOC_SHUTDOWN, how)
        finally:
            os.close(descriptor)

    def give_power(self) -> None:
        """Mount again what had reached the disk. Nobody may have a file open."""
        self.unmount()
        self.mount()


@contextmanager
def ext4(folder: Path) -> Iterator[Ext4]:
    """Skips where the machine lacks what it takes."""
    if os.geteuid() != 0 or not Path("/dev/loop-control").exists():
        pytest.skip("cutting the power of a file system needs root and loop devices")
    if shutil.which("mkfs.ext4") is None:
        pytest.skip("mkfs.ext4 is missing: apt install e2fsprogs")
    disk = Ext4(folder)
    try:
        yield disk
    finally:
        disk.unmount()


@contextmanager
def tmpfs(place: Path, size: str) -> Iterator[Path]:
    """A file system in memory, of a size as `mount` takes it; skips where that needs another."""
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place)]
    if subprocess.run(command, capture_output=True, check=False).returncode != 0:
        pytest.skip("mounting a small file system needs root")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def fill(filler: Path) -> None:
    """Write to a file until the disk is full."""
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            return
