"""The database as the rest of the service sees it, on SQLite and on PostgreSQL."""

import os
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import ClassVar, TypeVar

from sqlalchemy import URL, Connection
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from attendance.db.errors import BadDatabaseUrl

T = TypeVar("T")
Work = Callable[[Connection], T]

WRITE_TIMEOUT_SECONDS = 10.0
"""How long a caller waits for its unit of work to begin before it is told to come back later."""

BRIEF_WRITE_SECONDS = 2.0
"""The same, for what may be left out or comes again soon: a note in the trail, a seal, a look at
whether the database can be written to. Nobody is to wait for long because of it."""


class Database(ABC):
    """One database. Opens nothing until it is first used, and belongs to the process that uses it
    first: make it after a fork. `name` is for people, and holds no password."""

    name: str
    _kinds: ClassVar[dict[str, type["Database"]]] = {}

    def __init_subclass__(cls, *, scheme: str) -> None:
        cls._kinds[scheme] = cls  # `at` finds the class by the URL's scheme

    def __init__(self) -> None:
        self._pid: int | None = None

    @classmethod
    def at(cls, url: str) -> "Database":
        """Return the database that `url` names.

        Raises:
            BadDatabaseUrl: it cannot be a database of ours.
            NoDatabase: there is no such database.
        """
        kind, parsed = cls._chosen(url)
        return kind.opened(parsed)

    @classmethod
    def upgrading(cls, url: str, group: str | None) -> AbstractContextManager[Connection]:
        """Open a transaction in which the schema may change, and nobody else changes it. `group`
        may read and write the database's files.

        Raises:
            BadDatabaseUrl: it cannot be a database of ours.
            NoDatabase: there is no such database, and it cannot be made.
        """
        kind, parsed = cls._chosen(url)
        return kind.being_upgraded(parsed, group)

    @classmethod
    def _chosen(cls, url: str) -> tuple[type["Database"], URL]:
        try:
            parsed = make_url(url)
        except (ArgumentError, ValueError):
            parsed = None
        kind = cls._kinds.get(parsed.drivername) if parsed is not None else None
        if parsed is None or kind is None:
            raise BadDatabaseUrl(
                "DATABASE_URL is not the URL of a database of ours: write it as in "
                "sqlite:////var/lib/attendance.db, or postgresql+psycopg://user@host/attendance."
            )
        return kind, parsed

    @classmethod
    @abstractmethod
    def opened(cls, url: URL) -> "Database":
        """Do what `at` does, for a URL of this kind."""

    @classmethod
    @abstractmethod
    def being_upgraded(cls, url: URL, group: str | None) -> AbstractContextManager[Connection]:
        """Do what `upgrading` does, for a URL of this kind."""

    @abstractmethod
    def write(self, work: Work[T], timeout_seconds: float | None = WRITE_TIMEOUT_SECONDS) -> T:
        """Run `work(connection)` in one transaction that is on disk when this returns.

        `work` may run in another thread and more than once: it takes ids and times from its
        caller, does no I/O but the connection's, returns plain values, and lets the database's
        errors propagate: some of them end the transaction, and what it wrote after would stay.

        Raises:
            TooBusy: withdrawn before it began, after `timeout_seconds` (None: wait for ever), or
                refused since too many wait already.
            Unavailable: the storage failed. Nothing is written, unless the message says that this
                is not known.
            Exception: what `work` raised; nothing is written.
        """

    @abstractmethod
    def check_writable(self, timeout_seconds: float) -> None:
        """Check that the database can be written; really write if there is reason to doubt it.

        Raises:
            TooBusy, Unavailable: it cannot.
        """

    @abstractmethod
    def snapshot(self) -> AbstractContextManager[Connection]:
        """Open a connection that sees one state of the database and cannot write."""

    @abstractmethod
    def query(self) -> AbstractContextManager[Connection]:
        """Open a connection for `Prepared` queries, each of which sees a state of its own: no
        transaction is begun, which makes it cheap."""

    @abstractmethod
    def clock(self) -> datetime:
        """Return the time, in UTC, that everybody who works on this database goes by."""

    @abstractmethod
    def notify(self, event: threading.Event) -> None:
        """From now on set `event` when another process has written what is due at once, if the
        database can tell. This is a help and no promise: some may be missed."""

    @abstractmethod
    def backup(self, target: Path) -> int:
        """Write a consistent copy to `target`, 0600, complete or not at all; return its size in
        bytes.

        Raises:
            DatabaseError: it cannot be written, or this is not how this database is backed up.
        """

    @abstractmethod
    def integrity_errors(self) -> list[str]:
        """Return what is wrong with what is stored, in sentences; empty if all is well."""

    @abstractmethod
    def sidecar(self, suffix: str) -> Path:
        """Return the path of a file on this host that goes with the database."""

    @abstractmethod
    def copy_mode_to(self, file: Path) -> None:
        """Let those who may read and write the database read and write such a file, as far as this
        host can tell who they are."""

    @abstractmethod
    def close(self) -> None:
        """Finish what waits to be written and close all connections."""

    def _claim_process(self) -> None:
        if self._pid is None:
            self._pid = os.getpid()
        elif self._pid != os.getpid():
            raise RuntimeError("The database was used before a fork: make a new one after it.")
