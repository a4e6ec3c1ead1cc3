"""POST /attendance on PostgreSQL with 1, 2 and 4 processes."""

from contextlib import ExitStack
from functools import partial
from pathlib import Path

from measuring import Figure, Form, NotReal, interleaved
from postgres_server import PostgresServer
from replaying import KEY, PERSON, connected, keep, recording, with_high_ids
from serving import CHAT, Server, contender, make_key, ours, prepared_at
from sharing import Spent, compared, durable_server, numbers, spent_by
from sink import Sink
from sink import running as running_sink

from attendance.app import create_app
from attendance.config import Settings

_WARM_UP_SECONDS = 1.0
_SAID = {"person_name": "Ada Lovelace", "event": "check_in", "group": "g1"}


def posts(form: Form, folder: Path) -> list[Figure]:
    """POST on PostgreSQL with 1, 2 and 4 processes, against an endpoint that sends the same
    statements by psycopg."""
    with durable_server() as server, running_sink() as sink:
        figures = []
        for processes in numbers(form):
            place = folder / str(processes)
            place.mkdir()
            slots = _posts(form, place, server, sink, processes)
            figures += compared(f"POST, {processes}", "psycopg", *slots, least=0.5)
    return figures


def _posts(
    form: Form, folder: Path, server: PostgresServer, sink: Sink, processes: int
) -> tuple[list[Spent], list[Spent]]:
    with ExitStack() as stack:
        url, other = (stack.enter_context(server.fresh()) for _ in range(2))
        settings = {"WEB_CONCURRENCY": str(processes), "DISPATCHER": "off"}
        script = _recorded(other, folder / "post")
        mine = stack.enter_context(ours(folder, sink, DATABASE_URL=url, **settings))
        settings |= {"DATABASE_URL": other, "SCRIPT": str(script)}
        theirs = stack.enter_context(contender("statements", folder, sink, **settings))
        for one in (mine, theirs) if form.small == 1 else ():
            _slot(server, one, _WARM_UP_SECONDS)
        slots = interleaved(
            max(1, form.pairs // 2),
            partial(_slot, server, mine, form.slot_seconds),
            partial(_slot, server, theirs, form.slot_seconds),
        )
        for place, done in zip((url, other), slots, strict=True):
            _prove(place, sum(slot.done for slot in done))
    return slots


def _slot(server: PostgresServer, asked: Server, seconds: float) -> Spent:
    with asked.awake():
        before = spent_by(server)
        slot = asked.load(seconds)
        spent = slot.cpu_seconds + spent_by(server) - before
        return Spent(slot.load.accepted, slot.load.seconds, spent)


def _recorded(url: str, path: Path) -> Path:
    """What the service sends for a POST of somebody new, once it is warm."""
    with prepared_at(url) as database:
        key = database.write(make_key)
    with_high_ids(url)
    app = create_app(Settings.from_env({"DATABASE_URL": url, "TELEGRAM_CHAT_ID": CHAT}))
    client, known = app.test_client(), {"Authorization": f"Bearer {key}"}
    client.post("/attendance", json={"person_id": "first", **_SAID}, headers=known)
    with recording() as steps:
        head = {**known, "Idempotency-Key": KEY}
        answer = client.post("/attendance", json={"person_id": PERSON, **_SAID}, headers=head)
    app.extensions["attendance"].database.close()
    if answer.status_code != 201:
        raise NotReal(answer.text)
    keep(steps, path)
    return path


def _prove(url: str, accepted: int) -> None:
    """Each request that was accepted is in each of the tables."""
    with connected(url) as connection:
        for table in ("attendance", "outbox", "audit", "idempotency_key"):
            query = f"SELECT count(*) FROM {table}"  # noqa: S608 - our own words
            rows = connection.execute(query).fetchone()[0]
            if rows < accepted:
                raise NotReal(f"{accepted} were accepted, and {table} has {rows} rows")
