"""One process of many on one trail: `python crew.py write|seal DATABASE`, until it is killed.

A writer prints a line for each row that it was told is on disk; a sealer one for each look.
"""

import sys

from sqlalchemy import Connection

from attendance.audit import Actor, Context, record
from attendance.audit.sealer import Sealer
from attendance.db import Database, utc_now


def write(database: Database) -> None:
    number = 0
    while True:
        number += 1
        now, context = utc_now(), Context(Actor("service", "crew", "crew"), f"row-{number}")

        def work(connection: Connection, now=now, context=context) -> None:  # type: ignore[no-untyped-def]
            record(connection, now, context, "crew.wrote", after={"number": context.request_id})

        database.write(work)
        print(number, flush=True)


def seal(database: Database) -> None:
    sealer = Sealer(database, utc_now, None)
    while True:
        sealer.seal_once()
        print("sealed", flush=True)


if __name__ == "__main__":
    {"write": write, "seal": seal}[sys.argv[1]](Database.at(sys.argv[2]))
