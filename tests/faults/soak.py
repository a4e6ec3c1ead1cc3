"""All that clients and Telegram may do to a service, at once and for a long time: prints a table.

    python tests/faults/soak.py [SECONDS] [--seed N]

The service runs on its default settings, started as users start it. Meanwhile 1,200 connections say
nothing, 100 speak slowly, 100 never read the export that they asked for; Telegram is away now and
then, or fails; a HUP comes at random moments; and four well-behaved clients record people, keep a
ledger and ask again with the same key after whatever went wrong. It takes an hour, unless told. It
exits with 1 if anything that was acknowledged is lost, doubled or damaged.
"""

import argparse
import random
import resource
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1] / "e2e"), str(Path(__file__).parents[1])]

from checker import Verdict, check  # noqa: E402 - where they stand is known only now
from clients import Load  # noqa: E402
from crowd import Crowd  # noqa: E402
from history import Ledger, arrivals_of_digests, read_database  # noqa: E402
from rig import CHATS, integrity_of_trail, set_up, wait  # noqa: E402
from service import Service, telegram  # noqa: E402
from soak_table import Samples, as_lines  # noqa: E402

from attendance.db import Database, schema  # noqa: E402
from attendance.sandbox import Sandbox  # noqa: E402

IDLE, SENDERS, READERS, CLIENTS = 1200, 100, 100, 4
PAUSE_SECONDS = 0.2
"""Between two people of a client: the default limit of a key is for all of them together."""

SLICES = 12
DRAINED_WITHIN_SECONDS = 600.0
UNSETTLED = "SELECT count(*) AS count FROM outbox WHERE status IN ('pending', 'sending')"
FAULTS: tuple[dict[str, object], ...] = (
    {"kind": "drop"},
    {"kind": "drop", "delivered": True},
    {"kind": "answer", "status": 502, "body": "bad gateway"},
    {"kind": "delay", "delay_seconds": 10},
    {"kind": "cut"},
)


def soak(folder: Path, seconds: float, seed: int) -> bool:
    """Print what came of it; whether nothing was lost, doubled or damaged."""
    ledger, over = Ledger(), threading.Event()
    chance = random.Random(seed)  # noqa: S311 - so that a soak can be had again
    with ExitStack() as stack:
        sandbox = stack.enter_context(Sandbox())
        service = Service(folder, command=("serve",), **telegram(sandbox))
        key = prepared(service)
        stack.enter_context(service)
        auditor, samples = service.make_key("auditor"), Samples(service)
        host, port = service.url.removeprefix("http://").split(":")
        crowd = Crowd((host, int(port)), auditor, idle=IDLE, senders=SENDERS, readers=READERS)
        load = Load(
            [service.url],
            key,
            ledger,
            sites=tuple(CHATS),
            clients=CLIENTS,
            pause_seconds=PAUSE_SECONDS,
        )
        troubles = [
            lambda: interrupted(over, chance, (20, 60), service.reload),
            lambda: interrupted(over, chance, (30, 120), lambda: outage(sandbox, chance, over)),
        ]
        threads = [threading.Thread(target=one, daemon=True) for one in troubles]
        with crowd, load:
            for thread in threads:
                thread.start()
            samples.take(seconds, seconds / SLICES, lambda: crowd.present)
            over.set()
        for thread in threads:
            thread.join(60)
        verdict = judged(service, sandbox, ledger)
    for line in as_lines(samples, ledger.attempts, service, crowd.cut_off, seed):
        print(line)
    print(verdict)
    return verdict.is_valid


def prepared(service: Service) -> str:
    """A database with a chat for each site; the key of a frontend."""
    url = service.environment["DATABASE_URL"]
    schema.upgrade(url)
    database = Database.at(url)
    try:
        return database.write(lambda connection: set_up(connection, CHATS))
    finally:
        database.close()


def interrupted(
    over: threading.Event,
    chance: random.Random,
    between: tuple[float, float],
    trouble: Callable[[], object],
) -> None:
    """Make `trouble` again and again, so many seconds apart."""
    while not over.wait(chance.uniform(*between)):
        trouble()


def outage(sandbox: Sandbox, chance: random.Random, over: threading.Event) -> None:
    """Telegram is away for a while, or fails in one of its ways."""
    fault = chance.choice([None, *FAULTS])
    if fault is None:
        sandbox.stop()
    else:
        sandbox.fault(**fault, times=None)  # type: ignore[arg-type]
    over.wait(chance.uniform(5, 30))
    if fault is None:
        sandbox.start()
    sandbox.clear_faults()


def judged(service: Service, sandbox: Sandbox, ledger: Ledger) -> Verdict:
    """What the checker says, once no request is under way, and nothing waits any more."""
    service.stop()
    service.start()
    wait(lambda: service.rows(UNSETTLED) == [{"count": 0}], DRAINED_WITHIN_SECONDS)
    service.stop()
    stored = read_database(service.database)
    found = check(ledger.attempts, arrivals_of_digests(sandbox.messages()), stored)
    trail = integrity_of_trail(service.environment["DATABASE_URL"])
    print(f"The trail: {trail}.")
    return found


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("seconds", nargs="?", type=float, default=3600.0)
    parser.add_argument("--seed", type=int, default=13)
    asked = parser.parse_args(arguments)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    wanted = 4 * (IDLE + SENDERS + READERS)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, hard), hard))
    with tempfile.TemporaryDirectory(prefix="attendance-soak-") as folder:
        return 0 if soak(Path(folder), asked.seconds, asked.seed) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
