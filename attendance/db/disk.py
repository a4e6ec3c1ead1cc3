"""What a file needs besides its own sync to outlive a power cut."""

import os
from pathlib import Path


def sync_directory(path: Path) -> None:
    """Sync a directory: without it a file that was made, or replaced another, may be on disk
    without its name."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
