"""A disk whose every sync takes 4 ms longer: a library to preload, compiled when it is needed."""

import subprocess
from pathlib import Path

_SOURCE = Path(__file__).with_name("slow_sync.c")


def compiled(folder: Path) -> Path:
    """The library, in `folder`."""
    library = folder / "slow_sync.so"
    subprocess.run(
        ["gcc", "-shared", "-fPIC", "-O1", "-o", str(library), str(_SOURCE), "-ldl"], check=True
    )
    return library
