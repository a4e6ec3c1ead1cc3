"""A service to call: a real app on a real file, with a key of each role and a clock to set."""

import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from threading import Barrier
from typing import Any, TypeVar, cast

from flask import Flask
from sqlalchemy import Connection, TextClause, text
from werkzeug.test import TestResponse

from attendance import api_keys
from attendance.audit import service_context
from attendance.db import Database, SqliteDatabase
from attendance.models import ROLES, Role
from attendance.outbox.queue import Draft, enqueue
from attendance.web.services import Services

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
ADA = {"person_id": "ada", "person_name": "Ada Lovelace", "event": "check_in"}
PROBLEM = "application/problem+json"

KEYS: Mapping[Role, str] = {role: f"att_{role}-{'x' * 30}" for role in ROLES}

T = TypeVar("T")


@dataclass
class Clock:
    """Stands still until it is moved."""

    now: datetime = NOON

    def __call__(self) -> datetime:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@dataclass
class Api:
    """The app, and what a caller of it needs."""

    app: Flask
    clock: Clock = field(default_factory=Clock)
    keys: Mapping[Role, str] = field(default_factory=lambda: KEYS)

    def __post_init__(self) -> None:
        self.services.clock = self.clock

    @property
    def services(self) -> Services:
        return cast("Services", self.app.extensions["attendance"])

    def make_key(self, name: str, role: Role, token: str = "") -> str:
        return _make_key(self.services.database, name, role, token)

    def rotate_key(self, name: str) -> str:
        return self.services.database.write(
            lambda connection: api_keys.rotate(
                connection, NOON, _TESTS, name_or_id=name, random_token=lambda: "rotated" * 5
            )
        )

    def revoke_key(self, name: str) -> None:
        self.services.database.write(lambda c: api_keys.revoke(c, NOON, _TESTS, name))

    def call(
        self,
        method: str,
        path: str,
        *,
        role: Role | None = "admin",
        key: str | None = None,
        headers: dict[str, str] | None = None,
        **options: Any,
    ) -> TestResponse:
        presented = key or (self.keys[role] if role else None)
        given = {"Authorization": f"Bearer {presented}"} if presented else {}
        # Without a jar, which would take away the cookies that a test sends.
        client = self.app.test_client(use_cookies=False)
        return client.open(path, method=method, headers={**given, **(headers or {})}, **options)

    def get(self, path: str, role: Role | None = "admin", **options: Any) -> TestResponse:
        return self.call("GET", path, role=role, **options)

    def post(
        self,
        body: object,
        path: str = "/attendance",
        role: Role | None = "frontend",
        **options: Any,
    ) -> TestResponse:
        """POST `body` as JSON; bytes and text go out as they are."""
        data = body if isinstance(body, bytes | str) else json.dumps(body)
        options.setdefault("content_type", "application/json")
        return self.call("POST", path, role=role, data=data, **options)

    def record(self, **fields: Any) -> dict[str, Any]:
        """Record one event that must be accepted; the answer's `attendance`."""
        answer = self.post({**ADA, **fields})
        assert answer.status_code in {200, 201}, answer.text
        return cast("dict[str, Any]", answer.get_json()["attendance"])

    def page(self, path: str) -> list[dict[str, Any]]:
        """The `data` of a list that must be answered."""
        answer = self.get(path)
        assert answer.status_code == 200, answer.text
        return cast("list[dict[str, Any]]", answer.get_json()["data"])

    def rows(self, query: str, *values: object) -> list[dict[str, Any]]:
        with self.services.database.snapshot() as connection:
            found = connection.execute(*bound(query, values)).mappings()
            return [dict(row) for row in found]

    def counts(self) -> dict[str, int]:
        """How many rows there are of what one recording writes."""
        tables = ("attendance", "outbox", "audit", "idempotency_key")
        return {name: len(self.rows(f"SELECT 1 FROM {name}")) for name in tables}  # noqa: S608

    def audited(self) -> list[dict[str, Any]]:
        """The trail of what was called, without the keys' making."""
        return self.rows("SELECT * FROM audit WHERE action NOT LIKE 'key.%' ORDER BY id")

    def execute(self, statement: str, *values: object) -> None:
        def work(connection: Connection) -> None:
            connection.execute(*bound(statement, values))

        self.services.database.write(work)

    def enqueue(self, chat_id: str = "1000", text: str = "hello") -> int:
        draft = Draft(chat_id, text, "test")
        return self.services.database.write(lambda c: enqueue(c, self.clock.now, draft))

    def settle(self, message_id: int, status: str, error: str | None = None) -> None:
        """Give a message the end that a dispatcher would."""
        sent_at = "2026-11-23T12:00:00.000000Z" if status == "sent" else None
        self.execute(
            "UPDATE outbox SET status=?, last_error=?, sent_at=?, attempts=1, "
            "settled_at='2026-11-23T12:00:00.000000Z' WHERE id=?",
            *(status, error, sent_at, message_id),
        )

    def refuse_audit(self) -> None:
        """From now on the database takes no audit row."""
        self.refuse("audit")

    def refuse(self, table: str, condition: str = "true") -> None:
        """From now on the database takes no such row."""
        when = f"CREATE TRIGGER refuses BEFORE INSERT ON {table} {{}} WHEN ({condition}) {{}}"
        if isinstance(self.services.database, SqliteDatabase):
            self.execute(when.format("", "BEGIN SELECT RAISE(ABORT, 'a secret reason'); END"))
            return
        self.execute(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql "
            "AS $$ BEGIN RAISE EXCEPTION 'a secret reason'; END $$"
        )
        self.execute(when.format("FOR EACH ROW", "EXECUTE FUNCTION refuse()"))

    @contextmanager
    def locked(self) -> Iterator[None]:
        """A stranger holds SQLite's write lock."""
        path = self.services.database.sidecar("")
        with closing(sqlite3.connect(path, isolation_level=None)) as stranger:
            stranger.execute("BEGIN IMMEDIATE")
            yield
            stranger.execute("ROLLBACK")

    def close(self) -> None:
        self.services.database.close()


def bound(query: str, values: Sequence[object]) -> tuple[TextClause, dict[str, object]]:
    """The same for each driver, with a `?` for each value."""
    first, *others = query.split("?")
    marked = "".join(f":v{number}{part}" for number, part in enumerate(others))
    return text(first + marked), {f"v{number}": value for number, value in enumerate(values)}


def make_keys(database: Database) -> None:
    """Make `KEYS`, each under its role's name."""
    for role in ROLES:
        assert _make_key(database, role, role, "") == KEYS[role]


def _make_key(database: Database, name: str, role: Role, token: str) -> str:
    token = f"{name}-{token or 'x' * 30}"
    return database.write(
        lambda connection: api_keys.create(
            connection, NOON, _TESTS, name=name, role=role, random_token=lambda: token
        )
    )


def at_once(count: int, call: Callable[[int], T]) -> list[T]:
    """What `count` threads get that call at the same moment."""
    barrier = Barrier(count)

    def run(number: int) -> T:
        barrier.wait()
        return call(number)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


def assert_problem(answer: TestResponse, status: int, code: str | None = None) -> dict[str, Any]:
    """The answer is a complete problem; its body."""
    assert answer.status_code == status, answer.text
    assert answer.content_type == PROBLEM
    body = cast("dict[str, Any]", json.loads(answer.data))
    assert set(body) - {"errors"} == {"type", "title", "status", "detail", "code", "request_id"}
    assert body["status"] == status
    assert body["detail"]
    assert body["request_id"] == answer.headers["X-Request-Id"]
    assert code in {None, body["code"]}, body
    return body


_TESTS = service_context("tests")


def each_part(action: str) -> list[tuple[str, str]]:
    """What a correction writes: the table, and which row of it."""
    return [
        ("audit", f"NEW.action = '{action}' AND NEW.outcome = 'success'"),
        *((table, "true") for table in ("outbox", "correction", "idempotency_key")),
    ]
