"""What each thing that Telegram may do leads to: the message's end, its attempts, what its chat and
the bot become, and what an admin reads. The real client, dispatcher and database; the sandbox
misbehaves."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from attendance.config import Settings
from attendance.db import Database, utc_now
from attendance.outbox import queries, queue
from attendance.sandbox import Sandbox
from attendance.worker import Running, create_dispatcher

pytestmark = pytest.mark.slow

HTML = "<html><body>502 Bad Gateway</body></html>"
CHAT = "7"


@dataclass(frozen=True)
class Case:
    """A fault that the first request meets, and what must have come of it. `again`: the message
    was sent by a later attempt. Of `error` an admin reads a part."""

    name: str
    fault: dict[str, Any] = field(default_factory=dict)
    chat: dict[str, Any] = field(default_factory=dict)
    status: str = "sent"
    first: str = "delivered"
    attempts: int = 1
    arrivals: int = 1
    error: str = ""
    parked: bool = False
    stopped: str | None = None
    settings: dict[str, str] = field(default_factory=dict)


def refused(status: int, description: str, **parameters: Any) -> dict[str, Any]:
    """A fault: Telegram's envelope around an error."""
    body: dict[str, Any] = {"ok": False, "error_code": status, "description": description}
    if parameters:
        body["parameters"] = parameters
    return {"kind": "answer", "status": status, "body": json.dumps(body)}


def answered(status: int, body: str = "") -> dict[str, Any]:
    return {"kind": "answer", "status": status, "body": body, "content_type": "text/html"}


HOLD = {"OUTBOX_UNCERTAIN": "hold"}
PATIENT = {"TELEGRAM_TIMEOUT": "0.5,12", "OUTBOX_RATE_CHAT": "off"}
MARKUP = "can't parse entities: character '.' is reserved"
RESTART = "Internal Server Error: restart"
NOWHERE = {"TELEGRAM_API_BASE": "http://127.0.0.1:1"}
CASES = [
    Case("200 ok"),
    Case("200 ok, and 10 MB of blanks", {"kind": "huge"}),
    # Perhaps delivered: sent again, or held for a person.
    Case("200, not JSON", answered(200, HTML), first="uncertain", attempts=2),
    Case("200, cut short", {"kind": "cut"}, first="uncertain", attempts=2, arrivals=2),
    Case("502, HTML", answered(502, HTML), first="uncertain", attempts=2),
    Case("500, JSON", refused(500, RESTART), first="uncertain", attempts=2),
    Case(
        "502, held",
        answered(502, HTML), {}, "uncertain", "uncertain", 1, 0, "502", settings=HOLD,
    ),
    Case("reset before the message", {"kind": "drop"}, first="uncertain", attempts=2),
    Case(
        "reset after the message",
        {"kind": "drop", "delivered": True}, first="uncertain", attempts=2, arrivals=2,
    ),
    Case(
        "an answer that drips",
        {"kind": "drip", "interval_seconds": 0.3}, first="uncertain", attempts=2, arrivals=2,
    ),
    Case(
        "headers that drip",
        {"kind": "drip", "interval_seconds": 0.3, "part": "headers"},
        first="uncertain", attempts=2, arrivals=2,
    ),
    Case(
        "no answer in time, held",
        {"kind": "delay", "delay_seconds": 30}, {}, "uncertain", "uncertain", 1, 1, "in time",
        settings=HOLD,
    ),
    # Told to wait: no attempt is counted.
    Case("429", {"kind": "retry_after", "seconds": 1}, first="postponed"),
    # This message never.
    Case(
        "400, empty text",
        refused(400, "Bad Request: message text is empty"), {}, "failed", "rejected", 1, 0, "empty",
    ),
    Case("400, no body", answered(400), {}, "failed", "rejected", 1, 0, "400"),
    Case("413, no body", answered(413), {}, "failed", "rejected", 1, 0, "413"),
    # Refused before it was sent: as plain text at once, within the same attempt.
    Case("400, markup", refused(400, f"Bad Request: {MARKUP}"), settings=PATIENT),
    # … or where time or pace leave no room for a second request, at the next.
    Case("400, markup, no room", refused(400, f"Bad Request: {MARKUP}"), first="retry", attempts=2),
    # This chat not, until somebody acts or a probe succeeds.
    *(
        Case(status, {}, {"status": status}, "failed", "parked", 1, 0, words, parked=True)
        for status, words in [
            ("blocked", "blocked by the user"),
            ("unknown", "chat not found"),
            ("kicked", "kicked"),
            ("deactivated", "deactivated"),
            ("no_rights", "not enough rights"),
            ("topic_closed", "TOPIC_CLOSED"),
        ]
    ),
    # The chat lives on under another id.
    Case("migrated", {}, {"status": "migrated", "migrate_to": -1009}, first="migrated"),
    # The whole bot: nothing is sent until a probe succeeds.
    Case("401", refused(401, "Unauthorized"), first="misconfigured"),
    Case("404", refused(404, "Not Found"), first="misconfigured"),
    Case(
        "a redirect",
        {"kind": "redirect", "location": "http://127.0.0.1:1/elsewhere"}, first="misconfigured",
    ),
    # A proxy's word, not Telegram's: surely not delivered, and no word about the chat.
    Case("403, HTML", answered(403, HTML), first="retry", attempts=2),
    Case(
        "nobody listens",
        {}, {}, "pending", "retry", 3, 0, "refused", stopped="unreachable", settings=NOWHERE,
    ),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_becomes_of_a_message(case: Case, database: Database, database_url: str) -> None:
    with Sandbox() as sandbox:
        if case.fault:
            sandbox.fault(**case.fault)
        if case.chat:
            sandbox.set_chat(CHAT, **case.chat)
        now = utc_now()
        message_id = database.write(
            lambda c: queue.enqueue(c, now, queue.Draft(CHAT, "hi", "test"))
        )
        with dispatching(database, settings(database_url, sandbox, **case.settings)):
            found = wait_for_end(database, message_id, case)
        arrived = [message for message in sandbox.messages() if "#1" in message.text]
    assert (found["status"], found["attempts"]) == (case.status, case.attempts)
    assert found["attempt_list"][0]["outcome"] == case.first
    assert case.error in (found["last_error"] or "")
    assert len(arrived) == case.arrivals
    # A repeat says that it is one, and bears the same reference.
    assert [("may be a repeat" in message.text) for message in arrived[1:]] == [True] * (
        case.arrivals - 1 if case.arrivals else 0
    )
    assert_chat_and_bot(database, case)


def assert_chat_and_bot(database: Database, case: Case) -> None:
    with database.snapshot() as connection:
        chat = next(chat for chat in queries.chats(connection) if chat["chat_id"] == CHAT)
        stopped = queries.stats(connection, utc_now()).stopped
    assert (chat["parked_at"] is not None) == case.parked
    assert case.error in (chat["park_reason"] or case.error)
    assert stopped == case.stopped


def wait_for_end(database: Database, message_id: int, case: Case) -> dict[str, Any]:
    """Wait until the message has got where it is to get, or for good reason to doubt it."""
    deadline = time.monotonic() + 20
    while True:
        with database.snapshot() as connection:
            found = queries.message(connection, message_id)
        assert found is not None
        if (found["status"], found["attempts"]) == (case.status, case.attempts):
            return found
        assert time.monotonic() < deadline, found
        time.sleep(0.02)


def settings(url: str, sandbox: Sandbox, **changes: str) -> Settings:
    usual = {
        "DATABASE_URL": url,
        "TELEGRAM_BOT_TOKEN": sandbox.token,
        "TELEGRAM_CHAT_ID": "1",
        "TELEGRAM_API_BASE": sandbox.url,
        "TELEGRAM_TIMEOUT": "0.5,1",
        "OUTBOX_LEASE_SECONDS": "15",
        "OUTBOX_POLL_SECONDS": "0.1",
    }
    return Settings.from_env({**usual, **changes})


@contextmanager
def dispatching(database: Database, chosen: Settings) -> Iterator[None]:
    dispatcher = create_dispatcher(chosen, database, threading.Event())
    assert dispatcher is not None
    running = Running.start(dispatcher)
    try:
        yield
    finally:
        running.stop(10)
