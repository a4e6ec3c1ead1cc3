"""UTC by a clock of the test's, for all that a process is made of (`shifted_clock.c`).

What measures durations goes on, as it does on a machine whose clock is set.
"""

import shutil
import subprocess
from pathlib import Path

import pytest
from rig import HERE


def build(folder: Path) -> Path:
    """The library, for LD_PRELOAD; FAULTS_CLOCK names the file that says by how much to lie."""
    if shutil.which("gcc") is None:
        pytest.skip("gcc is missing: apt install gcc")
    library = folder / "shifted_clock.so"
    build = ["gcc", "-shared", "-fPIC", "-O1", "-o", str(library)]
    subprocess.run([*build, str(HERE / "shifted_clock.c")], check=True)
    return library


def set_clock(clock: Path, seconds: int) -> None:
    """By how much it is to be ahead of the true time. Replaced at once: it is read all the time."""
    new = clock.with_suffix(".new")
    new.write_text(f"{seconds:+d}")
    new.replace(clock)
