"""Claims, settled, on PostgreSQL by 1, 2 and 4 processes."""

from datetime import timedelta
from functools import partial
from pathlib import Path

from measuring import Figure, Form
from replaying import TOKEN, connected, keep, kept, play, recording, with_high_ids
from serving import prepared_at
from sharing import Side, durable_server, repeated, side_by_side

from attendance.db import Database, utc_now
from attendance.outbox import claim as claiming
from attendance.outbox.settlement import settle
from attendance.outbox.transport import Delivered
from attendance.outbox.types import Policy

CHATS = 64
BACKLOG = 60_000
SENT = "SELECT count(*) FROM outbox WHERE status = 'sent'"
_POLICY = Policy(lease=timedelta(seconds=60), give_up_after=timedelta(days=30))

_LANES = """INSERT INTO chat (chat_id, created_at)
    SELECT (2000 + i)::text, %s FROM generate_series(0, %s - 1) AS i"""
_WAITING = """INSERT INTO outbox (status, chat_id, lane, text, line, subject_type, created_at,
        due_at, give_up_from, attempts, uncertain_attempts)
    SELECT 'pending', (2000 + i %% %s)::text, (2000 + i %% %s)::text, 'Ada Lovelace checked in',
        'Ada Lovelace checked in', 'bench', %s, %s, %s, 0, 0 FROM generate_series(1, %s) AS i"""


def claims(form: Form, folder: Path) -> list[Figure]:
    """Claims, settled, on PostgreSQL by 1, 2 and 4 processes, against the same statements by
    psycopg."""
    with durable_server() as server, server.fresh() as url, server.fresh() as other:
        for one in (url, other):
            fill(one, BACKLOG // form.small)
        bare = partial(_replayed, _recorded(url, folder / "claim"))
        mine, theirs = Side(claimed, url, SENT), Side(bare, other, SENT)
        return side_by_side(form, server, mine, theirs, "claims", "psycopg", least=0.5)


def claimed(url: str, seconds: float) -> tuple[int, float]:
    """As the dispatcher does, one after the other: a claim, and its settlement."""
    database = Database.at(url)
    try:
        return repeated(lambda token: _claim_and_settle(database, token), seconds)
    finally:
        database.close()


def fill(url: str, messages: int) -> None:
    """Messages that are due, over 64 chats."""
    with prepared_at(url):
        pass
    with_high_ids(url)
    lately = utc_now()
    with connected(url) as connection:
        connection.execute(_LANES, [lately, CHATS])
        connection.execute(_WAITING, [CHATS, CHATS, *[lately] * 3, messages])
        connection.commit()
        connection.autocommit = True
        connection.execute("VACUUM ANALYZE")


def _replayed(script: Path, url: str, seconds: float) -> tuple[int, float]:
    steps = kept(script)
    with connected(url) as connection:
        return repeated(lambda token: play(connection, steps, {TOKEN: token}), seconds)


def _recorded(url: str, path: Path) -> Path:
    """What the service sends for a claim and its settlement, once it is warm."""
    with prepared_at(url) as database:
        _claim_and_settle(database, "warm")
        with recording() as steps:
            _claim_and_settle(database, TOKEN)
    keep(steps, path)
    return path


def _claim_and_settle(database: Database, token: str) -> None:
    terms = claiming.Terms("bench", lambda: token, _POLICY, _unheard)
    (claim,) = database.write(lambda c: claiming.claim(c, utc_now(), 1, terms))
    database.write(
        lambda c: settle(
            c, utc_now(), claim, Delivered(1), policy=_POLICY, jitter=0.5, on_outcome=_unheard
        )
    )


def _unheard(*_: object) -> None:
    """Nobody is told."""
