"""Probes: what was refused is asked again, without a message, by one process."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, select

from attendance.audit import AuditEntry
from attendance.db import Database
from attendance.maintenance import prober
from attendance.outbox import admin, circuit_breaker, lanes, parking, queue
from attendance.outbox.models import Chat, StopReason
from attendance.outbox.sender_pool import Job
from attendance.outbox.transport import Migrated, Misconfigured, Parked, Postponed, Retry
from attendance.telegram.client import Identity

pytestmark = pytest.mark.both_databases

NINE = datetime(2026, 11, 23, 9, tzinfo=UTC)
LATER = NINE + timedelta(minutes=1)


class Client:
    """Answers what it was told, and counts how often it was asked."""

    def __init__(self, answer: Any, meanwhile: Callable[[], object] = lambda: None) -> None:
        self.answer, self.meanwhile, self.asked = answer, meanwhile, 0

    def get_me(self, _seconds: float) -> Any:
        self.asked += 1
        return self.answer

    def can_write(self, _chat_id: str, _seconds: float) -> Any:
        self.asked += 1
        self.meanwhile()
        return self.answer


@pytest.fixture
def parked(database: Database) -> Database:
    """A group that has refused us at nine."""

    def work(connection: Connection) -> None:
        queue.enqueue(connection, NINE, queue.Draft("-1", "hello", "attendance"))
        parking.park(connection, NINE, "-1", "blocked", probed=True)

    database.write(work)
    return database


def chat(database: Database, chat_id: str = "-1") -> Any:
    with database.snapshot() as connection:
        return connection.execute(select(Chat).where(Chat.chat_id == chat_id)).one()


def actions(database: Database) -> list[str]:
    with database.snapshot() as connection:
        return list(connection.scalars(select(AuditEntry.action)))


def probe_chats(database: Database, client: Client, now: datetime = LATER) -> None:
    do(prober.probe_chats(database, client, lambda: now))  # type: ignore[arg-type]


def probe_bot(database: Database, client: Client, now: datetime = LATER) -> None:
    do(prober.probe_bot(database, client, lambda: now))  # type: ignore[arg-type]


def do(job: Job | None) -> None:
    if job is not None:
        job()


def stopped(database: Database, now: datetime = LATER) -> circuit_breaker.Stopped | None:
    with database.snapshot() as connection:
        return circuit_breaker.current(connection, now)


def test_a_chat_that_accepts_us_is_resumed_and_the_audit_says_so(parked: Database) -> None:
    probe_chats(parked, Client(None))
    with parked.snapshot() as connection:
        assert not parking.is_probe_due(connection, LATER + timedelta(days=1))
        assert lanes.first_due(connection) == NINE
    assert actions(parked) == ["chat.resumed"]


def test_a_chat_that_refuses_us_still_is_asked_again_later(parked: Database) -> None:
    client = Client(Parked("403 blocked"))
    probe_chats(parked, client, NINE)
    assert client.asked == 0
    probe_chats(parked, client)
    probe_chats(parked, client)
    assert client.asked == 1
    with parked.snapshot() as connection:
        assert parking.is_probe_due(connection, LATER + timedelta(minutes=1))
    assert actions(parked) == []


def test_a_person_who_pauses_the_chat_meanwhile_is_obeyed(parked: Database) -> None:
    def pause() -> None:
        parked.write(lambda c: admin.pause(c, LATER, "-1", "holidays"))

    probe_chats(parked, Client(None, meanwhile=pause))
    with parked.snapshot() as connection:
        assert lanes.first_due(connection) is None
    assert actions(parked) == []


def test_a_chat_that_moved_while_it_refused_us_is_asked_at_its_new_address(
    parked: Database,
) -> None:
    probe_chats(parked, Client(Migrated("-100", "moved")))
    much_later = LATER + timedelta(hours=1)
    probe_chats(parked, Client(None), much_later)
    probe_chats(parked, Client(ZeroDivisionError), much_later + timedelta(hours=2))
    with parked.snapshot() as connection:
        assert not parking.is_probe_due(connection, LATER + timedelta(days=1))
        assert lanes.first_due(connection) == NINE
    assert actions(parked) == ["chat.resumed"]


@pytest.mark.parametrize(("answer", "goes_on"), [(Identity(1, "bot"), True), (Retry("no"), False)])
def test_a_bot_that_was_stopped_goes_on_when_getme_succeeds(
    database: Database, answer: object, *, goes_on: bool
) -> None:
    database.write(lambda c: circuit_breaker.open(c, NINE, "unreachable", "refused"))
    client = Client(answer)
    for now in (NINE, LATER, LATER):
        probe_bot(database, client, now)
    assert client.asked == 1
    assert (stopped(database) is None) is goes_on


def test_asking_is_a_job_that_keeps_nobody_waiting(parked: Database) -> None:
    client = Client(None)
    job = prober.probe_chats(parked, client, lambda: LATER)  # type: ignore[arg-type]
    assert (client.asked, job is None) == (0, False)


@pytest.mark.parametrize("reason", ["unreachable", "misconfigured"])
def test_a_429_to_a_probe_of_the_bot_is_obeyed(database: Database, reason: StopReason) -> None:
    database.write(lambda c: circuit_breaker.open(c, NINE, reason, "no"))
    client = Client(Postponed(600, "429"))
    for seconds in (0, 60, 599):
        probe_bot(database, client, LATER + timedelta(seconds=seconds))
    assert client.asked == 1
    probe_bot(database, client, LATER + timedelta(seconds=600))
    assert client.asked == 2


def test_a_429_to_a_probe_of_a_chat_is_obeyed(parked: Database) -> None:
    client = Client(Postponed(600, "429"))
    for seconds in (0, 60, 599, 600):
        probe_chats(parked, client, LATER + timedelta(seconds=seconds))
    assert client.asked == 2


def test_a_new_process_does_not_forget_that_a_probe_is_to_wait(database: Database) -> None:
    database.write(lambda c: circuit_breaker.open(c, NINE, "unreachable", "no"))
    client = Client(Postponed(600, "429"))
    probe_bot(database, client)
    database.write(lambda c: circuit_breaker.probe_soon(c, LATER))
    probe_bot(database, client, LATER + timedelta(seconds=60))
    assert client.asked == 1


@pytest.mark.slow
def test_of_many_chats_that_are_due_few_are_asked_at_once(parked: Database) -> None:
    def refuse(connection: Connection) -> None:
        for chat_id in "23456":
            queue.enqueue(connection, NINE, queue.Draft(chat_id, "hello", "attendance"))
            parking.park(connection, NINE, chat_id, "blocked", probed=True)

    parked.write(refuse)
    client = Client(Parked("403"))
    for milliseconds in range(0, 1000, 10):
        probe_chats(parked, client, LATER + timedelta(milliseconds=milliseconds))
    assert client.asked == 5


def test_a_bot_that_is_reached_again_and_refused_stops_the_clock(database: Database) -> None:
    database.write(lambda c: circuit_breaker.open(c, NINE, "unreachable", "refused"))
    probe_bot(database, Client(Misconfigured("401")))
    with database.snapshot() as connection:
        assert not circuit_breaker.is_open(connection, "unreachable")
        day = timedelta(days=1)
        assert circuit_breaker.time_stopped(connection, NINE, LATER + day) == day


def test_no_chat_is_asked_while_nothing_gets_through(parked: Database) -> None:
    parked.write(lambda c: circuit_breaker.open(c, NINE, "unreachable", "refused"))
    client = Client(None)
    probe_chats(parked, client)
    assert client.asked == 0
