"""One process of many on one trail: `python crew.py write|seal|set-back DATABASE`, until it is
killed.

A writer prints a line for each row that it was told is on disk; a sealer one for each look. Between
the two acts of the third, the clock is set back.
"""

import sys
import time
from datetime import timedelta
from threading import Event

from sqlalchemy import Connection

from attendance.audit import Actor, Context, append
from attendance.audit.sealer import Sealer
from attendance.db import Database, utc_now

_PAUSE_SECONDS = 0.005  # else there are a hundred thousand rows to verify, which show no more


def write(database: Database) -> None:
    number = 0
    while True:
        number += 1
        now, context = utc_now(), Context(Actor("service", "crew", "crew"), f"row-{number}")

        def work(connection: Connection, now=now, context=context) -> None:  # type: ignore[no-untyped-def]
            append(connection, now, context, "crew.wrote", after={"number": context.request_id})

        database.write(work)
        print(number, flush=True)
        time.sleep(_PAUSE_SECONDS)


def seal(database: Database) -> None:
    sealer = Sealer(database, utc_now, None)
    while True:
        sealer.seal_once()
        print("sealed", flush=True)


def set_back(database: Database) -> None:
    now, context = utc_now(), Context(Actor("service", "crew", "crew"))
    database.write(lambda connection: append(connection, now, context, "crew.wrote"))
    Sealer(database, utc_now, None).finish()
    earlier = now - timedelta(hours=1)
    database.write(lambda connection: append(connection, earlier, context, "crew.wrote"))
    print("an hour earlier", flush=True)
    Event().wait()


if __name__ == "__main__":
    {"write": write, "seal": seal, "set-back": set_back}[sys.argv[1]](Database.at(sys.argv[2]))
