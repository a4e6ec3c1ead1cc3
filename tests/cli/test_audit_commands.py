"""`manage.py audit list`, `export` and `trace`."""

import csv
import io
import json
import stat
from datetime import timedelta

import pytest
from commands import Desk

from attendance.audit import Actor, Context, export
from attendance.config import zone
from attendance.db import TooBusy, utc_now
from attendance.outbox import claim as claims
from attendance.outbox.rate_limits import RateLimits
from attendance.outbox.settlement import settle
from attendance.outbox.transport import Delivered
from attendance.outbox.types import Policy, Settled
from attendance.records.corrections import Order, amend
from attendance.records.recording import Entry, Recording, Reporter, Rules, record_attendance

DAY = timedelta(days=1)


@pytest.fixture
def trail(desk: Desk) -> Desk:
    """Three acts."""
    for name in ("door", "=gate", "roof"):
        desk.done("keys", "create", name, "--role", "frontend")
    return desk


def test_the_next_page_is_what_lies_before(trail: Desk) -> None:
    first = trail.json("audit", "list", "--limit", "2")
    second = trail.json("audit", "list", "--limit", "2", "--before", str(first[-1]["id"]))

    assert [row["id"] for row in [*first, *second]] == [3, 2, 1]


def test_an_export_to_standard_output_is_csv(trail: Desk) -> None:
    rows = list(csv.DictReader(io.StringIO(trail.done("audit", "export"))))

    assert [row["action"] for row in rows] == ["key.created"] * 3
    assert [entry["actor_type"] for entry in trail.audited("audit.exported")] == ["os_user"]


def test_an_export_to_a_file_is_for_this_user_alone(trail: Desk) -> None:
    path = trail.directory / "trail.jsonl"
    trail.done("audit", "export", "--format", "jsonl", "--target", "api_key:2", str(path))

    assert [json.loads(line)["target_id"] for line in path.read_text().splitlines()] == ["2"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_file_that_is_there_is_left_alone(trail: Desk) -> None:
    path = trail.directory / "trail.csv"
    path.write_text("mine")
    result = trail.run("audit", "export", str(path))

    assert result.exit_code == 1
    assert "cannot be made: File exists" in result.stderr
    assert path.read_text() == "mine"
    assert [row["outcome"] for row in trail.audited("audit.exported")] == ["refused"]


def test_an_export_that_fails_leaves_no_file(trail: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> int:
        raise TooBusy("The database is busy: nothing was written.")

    monkeypatch.setattr(export, "begin", refuse)
    result = trail.run("audit", "export", str(trail.directory / "trail.csv"))

    assert (result.exit_code, "is busy" in result.stderr) == (1, True)
    assert not (trail.directory / "trail.csv").exists()
    assert [row["outcome"] for row in trail.audited("audit.exported")] == ["refused"]


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
