"""Which version of the service this is.

Standard library only.
"""

from importlib import metadata

DISTRIBUTION = "attendance-outbox"
"""Its name for pip: on PyPI, `attendance` is another program's."""

UNKNOWN = "unknown"


def version() -> str:
    """Return the installed version, or `unknown` if pip has not installed this code, as after a
    `git pull` over an environment that knows it by its old name. A label stops no service."""
    try:
        return metadata.version(DISTRIBUTION)
    except metadata.PackageNotFoundError:
        return UNKNOWN
