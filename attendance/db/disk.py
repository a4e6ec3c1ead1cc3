"""What a file needs beside its own sync to outlive a power cut."""

import os
from pathlib import Path


def sync_directory(path: Path) -> None:
    """Put the names of the files in a directory on disk: a file that was made, or took another's
    place, is otherwise there without its name."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
