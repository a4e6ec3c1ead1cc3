"""`manage.py audit trace`: a request, followed to what it led to."""

from datetime import timedelta

import pytest
from commands import Desk

from attendance.audit import Actor, Context
from attendance.config import zone
from attendance.db import utc_now
from attendance.outbox import claim as claims
from attendance.outbox.rate_limits import RateLimits
from attendance.outbox.settlement import settle
from attendance.outbox.transport import Delivered
from attendance.outbox.types import Policy, Settled
from attendance.records.corrections import Order, amend
from attendance.records.recording import Entry, Recording, Reporter, Rules, record_attendance

pytestmark = pytest.mark.slow

DAY = timedelta(days=1)


@pytest.fixture
def delivered(desk: Desk) -> Desk:
    """One request: recorded, told, delivered."""
    now, utc = utc_now(), zone("UTC")
    context = Context(Actor("key", "1", "door"), "req-1")
    rules = Rules("1000", 0, utc)
    policy = Policy(
        lease=DAY, give_up_after=DAY, rate_limits=RateLimits(None, None, None), timezone=utc
    )

    def tell(connection: object, now: object, settled: Settled) -> None:
        pass

    terms = claims.Terms("here", lambda: "t" * 32, policy, tell)
    entry = Entry(person_id="ada", event="check_in")
    recording = Recording.of(now, entry, Reporter(1, 1), context, rules)
    desk.write(lambda c: record_attendance(c, recording))
    [claim] = desk.write(lambda c: claims.claim(c, now, 1, terms))
    desk.write(
        lambda c: settle(c, now, claim, Delivered(4711), policy=policy, jitter=0.5, on_outcome=tell)
    )
    desk.run("outbox", "retry", "1")  # refused: it was sent
    return desk


def test_a_request_is_followed_to_what_telegram_called_its_message(delivered: Desk) -> None:
    found = delivered.json("audit", "trace", "req-1")

    assert [(row["action"], row["outcome"]) for row in found["audit"]] == [
        ("attendance.recorded", "success"),
        ("outbox.retried", "refused"),
    ]
    assert [row["person_id"] for row in found["attendance"]] == ["ada"]
    [message] = found["messages"]
    assert (message["status"], message["telegram_message_id"]) == ("sent", 4711)
    assert [one["outcome"] for one in message["attempt_list"]] == ["delivered"]


def test_a_request_is_followed_past_a_time_that_is_none(delivered: Desk) -> None:
    delivered.execute(
        "INSERT INTO audit (occurred_at, actor_type, action, outcome, host, schema_version, "
        "request_id) VALUES ('noon', 'service', 'a.b', 'success', 'h', 1, 'req-1')"
    )

    assert "noon" in delivered.done("audit", "trace", "req-1")
    assert "noon" in delivered.done("audit", "list")


def test_what_a_client_wrote_does_not_steer_the_auditor_s_terminal(delivered: Desk) -> None:
    delivered.execute(
        "INSERT INTO audit (occurred_at, actor_type, action, outcome, host, schema_version, reason)"
        " VALUES ('2026-11-23T12:00:00.000000Z', 'key', 'a.b', 'refused', 'h', 1, ?)",
        "\x1b[2J\x9b31m\u202eyou see\tnothing\x00é",
    )

    shown = delivered.done("audit", "list", "--action", "a.b")
    assert "\ufffd[2J\ufffd31m\ufffdyou see nothing\ufffdé" in shown
    [row] = delivered.json("audit", "list", "--action", "a.b")
    assert row["reason"].startswith("\x1b")


def _amend(desk: Desk, request_id: str) -> None:
    context = Context(Actor("key", "2", "desk"), request_id)
    rules = Rules("1000", 0, zone("UTC"))
    order = Order(utc_now(), 1, "a mix-up", Reporter(2, 2), context, rules)
    desk.write(lambda c: amend(c, order, {"event": "late"}))


def test_of_each_message_it_says_which_request_it_came_of(delivered: Desk) -> None:
    """A later one's speaks of the same record."""
    _amend(delivered, "req-2")

    _, _, messages = delivered.done("audit", "trace", "req-2").partition("Messages\n")
    lines = [line.split() for line in messages.partition("\n\n")[0].splitlines()]

    assert lines[0][-2:] == ["BY", "REQUEST"]
    assert [(line[0], line[-1]) for line in lines[1:]] == [("1", "req-1"), ("2", "req-2")]


def test_a_correction_is_followed_to_the_new_record_and_its_message(delivered: Desk) -> None:
    _amend(delivered, "req-2")

    found = delivered.json("audit", "trace", "req-2")

    assert [row["action"] for row in found["audit"]] == ["outbox.retried", "attendance.amended"]
    assert [row["event"] for row in found["attendance"]] == ["check_in", "late"]
    assert [one["subject_id"] for one in found["messages"]] == ["1", "2"]


def test_a_person_reads_it_in_order(delivered: Desk) -> None:
    text = delivered.done("audit", "trace", "req-1")

    order = ["attendance.recorded", "ada", "4711", "delivered"]
    assert sorted(order, key=text.index) == order


def test_an_unknown_request_is_said_to_be_so(desk: Desk) -> None:
    result = desk.run("audit", "trace", "nobody")

    assert (result.exit_code, result.stderr) == (1, "Error: The trail knows no request nobody.\n")
