"""Where a SQLite database lies, and who may read it.

The database file is never opened by us, except once with O_EXCL to make it: closing a descriptor
of it would drop the locks that SQLite holds on it in this process.
"""

import grp
import os
from contextlib import suppress
from pathlib import Path

from sqlalchemy import URL

from attendance.db.errors import BadDatabaseUrl, DatabaseError

_NETWORK_FILE_SYSTEMS = {
    *("9p", "afs", "beegfs", "ceph", "cifs", "glusterfs", "lustre", "ncpfs", "nfs", "nfs4"),
    *("smb3", "smbfs", "fuse.glusterfs", "fuse.s3fs", "fuse.sshfs"),
}


def sqlite_path(url: URL) -> Path:
    """Return the absolute path that a `sqlite:` URL names; relative ones count from here.

    Raises:
        BadDatabaseUrl: not a file, in memory, or on a network file system.
    """
    name = url.database or ":memory:"
    if name == ":memory:" or name.startswith("file:") or url.query or url.host:
        raise BadDatabaseUrl(
            "DATABASE_URL names a database in memory or one with options, which several processes "
            "cannot share and a restart forgets: name a plain file, as in sqlite:///attendance.db."
        )
    path = Path(os.path.abspath(name))  # noqa: PTH100 - resolve() would follow a link of the admin's
    if path.exists() and not path.is_file():
        raise BadDatabaseUrl(f"DATABASE_URL names {path}, which is no file: name one.")
    _refuse_network_file_system(path)
    return path


def create_database_file(path: Path, group: str | None) -> None:
    """Make an empty file, 0600 (with `group`: 0660), unless there is one. SQLite's `-wal` and
    `-shm` take their mode from it, so it has to be right before the first connection."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError):
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except OSError as error:
        raise BadDatabaseUrl(
            f"The database {path} cannot be made ({error.strerror}): "
            "correct DATABASE_URL, or let this user write there."
        ) from None
    # An older file gets the group, too: the setting may be new.
    if group is not None:
        share_with_group(path, group)


def share_with_group(path: Path, group: str) -> None:
    """Open the database to `group`, whose members can then read and write it."""
    try:
        wanted = (grp.getgrnam(group).gr_gid, 0o660)
        found = path.stat()
        if (found.st_gid, found.st_mode & 0o777) != wanted:
            os.chown(path, -1, wanted[0])
            path.chmod(wanted[1])
    except KeyError:
        raise DatabaseError(
            f"DATABASE_GROUP names {group}, which is no group here: correct it, or add the group."
        ) from None
    except PermissionError:
        raise DatabaseError(
            f"DATABASE_GROUP names {group}, to which this user may not give {path}: "
            "add this user to the group."
        ) from None


def share_side_files(path: Path) -> None:
    """Give `-wal` and `-shm` the group of the database, without which its members could not read
    it. SQLite gives them its mode, but its group only when it runs as root."""
    group = path.stat().st_gid
    for side in (path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")):
        with suppress(FileNotFoundError, PermissionError):
            if side.stat().st_gid != group:
                os.chown(side, -1, group)


def _refuse_network_file_system(path: Path, mounts: Path = Path("/proc/self/mounts")) -> None:
    kind = file_system_of(path, mounts)
    if kind in _NETWORK_FILE_SYSTEMS:
        raise BadDatabaseUrl(
            f"DATABASE_URL names {path}, which lies on a network file system ({kind}), where locks "
            "and syncs cannot be relied on: put the database on a local disk."
        )


def file_system_of(path: Path, mounts: Path) -> str | None:
    """Return the type of the file system that holds `path`, or None if that cannot be told."""
    try:
        lines = mounts.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    holder, kind = "", None
    target = path.parent.resolve()
    for _, mount_point, found, *_ in (line.split() for line in lines):
        # A later mount over the same point hides the earlier one: hence `>=`.
        point = mount_point.replace(r"\040", " ")
        if target.is_relative_to(point) and len(point) >= len(holder):
            holder, kind = point, found
    return kind
