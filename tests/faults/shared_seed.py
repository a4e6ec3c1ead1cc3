"""A database on a PostgreSQL server, for hosts to begin with."""

import itertools
from contextlib import closing

from history import WITNESS
from postgres_server import PostgresServer
from rig import CHATS, set_up

from attendance.db import Database, schema

DURABLE = {
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "max_connections": "200",
    # What no commit waits for is written late: where one should have waited, it is lost for sure.
    "wal_writer_delay": "10s",
}
"""A server as one has it, and not made to be thrown away."""

MANY = {f"site-{number}": str(6000 + number) for number in range(60)}
"""More chats, for as many messages as Telegram allows."""


class SharedSeed:
    """A database on `server` with a key, a chat for each site and the witness of claims, to begin
    with."""

    def __init__(self, server: PostgresServer) -> None:
        self.server, self._numbers = server, itertools.count(1)
        server.execute("CREATE DATABASE seed")
        schema.upgrade(server.url("seed"))
        server.execute(WITNESS, "seed")
        with closing(Database.at(server.url("seed"))) as database:
            self.key = database.write(lambda one: set_up(one, {**CHATS, **MANY}))

    def copy(self) -> str:
        """The name of a new database, like it."""
        name = f"hosts_{next(self._numbers)}"
        self.server.execute(f"CREATE DATABASE {name} TEMPLATE seed")
        return name
