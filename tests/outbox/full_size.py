"""What a look, a claim, a wake-up and a POST cost with a million messages settled, and a hundred
thousand waiting, against none: `python tests/outbox/full_size.py [SETTLED [WAITING]]`.

The calls of a pair are made one right after the other; printed are the medians and the median of
the pairs' ratios, in which what else the machine does cancels out. Wants 3 GB on the disk.
"""

import secrets
import statistics
import sys
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

from bench import NINE, Bench, RecordingTransport, finish, workings
from bulk import LONG_AGO, settled, waiting
from sqlalchemy import Connection

from attendance import api_keys
from attendance.app import create_app
from attendance.audit import service_context
from attendance.config import Settings
from attendance.db import Database, format_utc, schema, utc_now
from attendance.maintenance import pruner
from attendance.outbox.dispatcher import Dispatcher
from attendance.outbox.queue import waits_for_configuration

PAIRS = 300
MANY_CHATS = 1000
_numbers = count()
_OLD_RECORDS = (
    """INSERT INTO attendance (person_id, event, occurred_at, received_at, timezone, local_date,
    key_lineage, key_id, request_id) SELECT 'person-' || id % 5000, 'present', sent_at, sent_at,
    'UTC', substr(sent_at, 1, 10), 1, 1, hex(randomblob(16)) FROM outbox WHERE status = 'sent'""",
    """INSERT INTO audit (occurred_at, actor_type, action, outcome, target_type, target_id,
    request_id, host, schema_version) SELECT sent_at, 'service', 'outbox.attempted', 'delivered',
    'outbox', id, hex(randomblob(16)), 'here', 1 FROM outbox WHERE status = 'sent'""",
    """INSERT INTO idempotency_key (key_lineage, key, fingerprint, status, body, created_at) SELECT
    1, hex(randomblob(16)), hex(randomblob(32)), 201, hex(randomblob(200)), sent_at
    FROM outbox WHERE status = 'sent' AND id % 13 = 0""",
)


class Subject:
    """A service and a dispatcher on one database, which sends to nobody."""

    def __init__(self, folder: Path, name: str) -> None:
        url = f"sqlite:///{folder / name}.db"
        schema.upgrade(url)
        self.database = Database.at(url)
        self.bench = Bench(self.database)
        self.transport = RecordingTransport()
        self.dispatcher = Dispatcher(workings(self.bench, self.transport))
        settings = Settings.from_env({"DATABASE_URL": url, "TELEGRAM_CHAT_ID": "999999"})
        self.app = create_app(settings)
        self.client = self.app.test_client()
        self.headers = {"Authorization": f"Bearer {self._make_key()}"}

    def _make_key(self) -> str:
        context = service_context("tests")
        return self.database.write(
            lambda c: api_keys.create(
                c,
                utc_now(),
                context,
                name="door",
                role="frontend",
                random_token=lambda: secrets.token_urlsafe(32),
            )
        )

    def fill(self, sent: int, chats: int, each: int) -> None:
        def work(connection: Connection) -> None:
            settled(connection, sent)
            for statement in _OLD_RECORDS if sent else ():
                connection.exec_driver_sql(statement)
            waiting(connection, chats, each)

        self.database.write(work, None)
        self._empty_the_log()

    def _empty_the_log(self) -> None:
        """As it is after the writer's own checkpoints: not all that was filled in still in it."""
        self.bench.sqlite._writer._commits = 10**6
        self.database.write(lambda _: None)

    def close(self) -> None:
        self.database.close()
        self.app.extensions["attendance"].database.close()


def look(subject: Subject) -> None:
    subject.bench.next_due()
    with subject.database.snapshot() as connection:
        waits_for_configuration(connection)


def claim_and_release(subject: Subject) -> None:
    [claim] = subject.bench.claim(1)
    subject.bench.release(claim)


def wake_up(subject: Subject) -> None:
    """From the commit of a message to the start of its request."""
    subject.dispatcher.run_once()
    subject.transport.await_request()


def post(subject: Subject) -> None:
    number = next(_numbers)
    body = {"person_id": f"new-{number}", "event": "check_in"}
    key = {"Idempotency-Key": secrets.token_hex(16)}
    answer = subject.client.post("/attendance", json=body, headers={**subject.headers, **key})
    assert answer.status_code == 201, answer.text


def enqueue_new(subject: Subject) -> None:
    finish(subject.dispatcher)
    subject.bench.enqueue("new")


def compare(
    act: Callable[[Subject], None],
    empty: Subject,
    full: Subject,
    prepare: Callable[[Subject], object] = lambda _: None,
) -> None:
    times: dict[Subject, list[float]] = {empty: [], full: []}
    for pair in range(PAIRS):
        for subject in (empty, full) if pair % 2 else (full, empty):
            prepare(subject)
            started = time.perf_counter()
            act(subject)
            times[subject].append(time.perf_counter() - started)
    ratio = statistics.median(b / a for a, b in zip(*times.values(), strict=True))
    none, many = (1e6 * statistics.median(taken) for taken in times.values())
    print(f"  {act.__name__:20} {none:8.0f} µs {many:8.0f} µs   {ratio:.2f}", flush=True)


def put_off(connection: Connection) -> None:
    """Let what waits wait for a month, so that the next that is due is the next that is new."""
    later = "UPDATE outbox SET due_at = ? WHERE status = 'pending'"
    connection.exec_driver_sql(later, (format_utc(NINE + (NINE - LONG_AGO)),))


def one_step_of_pruning(subject: Subject) -> None:
    before = utc_now()
    started = time.perf_counter()
    subject.database.write(
        lambda c: pruner.prune_messages(c, NINE, before, 100, service_context("tests"))
    )
    print(f"  a step of pruning: {1e3 * (time.perf_counter() - started):.1f} ms", flush=True)


def measure(folder: Path, title: str, sent: int, chats: int, each: int) -> None:
    empty, full = Subject(folder, f"{title}-empty"), Subject(folder, f"{title}-full")
    try:
        print(f"{title}: {sent:,} settled, {chats * each:,} waiting for {chats} chats")
        empty.fill(0, 1, 1)
        full.fill(sent, chats, each)
        for act in (look, claim_and_release, post):
            compare(act, empty, full)
        for subject in (empty, full):
            subject.database.write(put_off, None)
        compare(wake_up, empty, full, enqueue_new)
        one_step_of_pruning(full)
    finally:
        for subject in (empty, full):
            subject.close()


def main(sent: int = 1_000_000, waits: int = 100_000) -> None:
    with TemporaryDirectory() as folder:
        measure(Path(folder), "one chat", sent, 1, waits)
    with TemporaryDirectory() as folder:
        measure(Path(folder), "many chats", sent, MANY_CHATS, waits // MANY_CHATS)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
