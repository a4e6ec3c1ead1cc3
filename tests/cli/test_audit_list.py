"""`manage.py audit list`: who did what, and the command as it was typed."""

import pytest
from commands import TOKEN, Desk

pytestmark = pytest.mark.slow


@pytest.fixture
def trail(desk: Desk) -> Desk:
    """Three acts: a key made, a message retried, a message cancelled."""
    desk.done("keys", "create", "door", "--role", "admin")
    desk.message("failed")
    desk.done("outbox", "retry", "--reason", "readmitted")
    desk.done("outbox", "cancel", "1")
    return desk


@pytest.mark.parametrize(
    ("options", "actions"),
    [
        ((), ["outbox.cancelled", "outbox.retried", "key.created"]),
        (("--action", "outbox.retried"), ["outbox.retried"]),
        (("--target", "outbox:1"), ["outbox.cancelled", "outbox.retried"]),
        (("--target", "1"), ["outbox.cancelled", "outbox.retried", "key.created"]),
        (("--target", "api_key:1"), ["key.created"]),
        (("--outcome", "refused"), []),
        (("--request-id", "none"), []),
        (("--actor", "nobody"), []),
        (("--since", "1h", "--action", "key.created"), ["key.created"]),
        (("--since", "2999-01-01"), []),
        (("--until", "2000-01-01T00:00:00Z"), []),
        (("--limit", "1"), ["outbox.cancelled"]),
    ],
)
def test_the_trail_is_filtered(trail: Desk, options: tuple[str, ...], actions: list[str]) -> None:
    assert [row["action"] for row in trail.json("audit", "list", *options)] == actions


def test_the_actor_is_found_by_id_and_by_name(trail: Desk) -> None:
    (entry,) = trail.audited("key.created")

    for actor in (entry["actor_id"], entry["actor_name"]):
        assert len(trail.json("audit", "list", "--actor", actor)) == 3


def test_a_person_sees_who_did_what_and_why(trail: Desk) -> None:
    heading, *lines = trail.done("audit", "list").splitlines()

    assert heading.split() == [
        *("ID", "WHEN", "WHO", "ACTION", "OUTCOME", "ON", "ID", "OF", "IT", "REASON")
    ]
    assert "outbox.retried  " in lines[1]
    assert lines[1].endswith("readmitted")


def test_the_next_page_is_what_lies_before(trail: Desk) -> None:
    first = trail.json("audit", "list", "--limit", "2")
    second = trail.json("audit", "list", "--limit", "2", "--before", str(first[-1]["id"]))

    assert [row["id"] for row in [*first, *second]] == [3, 2, 1]


def test_the_trail_has_the_command_as_it_was_typed(desk: Desk) -> None:
    desk.done("keys", "create", "front door", "--role", "admin")
    desk.message("failed")
    desk.done("outbox", "retry", "--reason", f"the token {TOKEN} was wrong")

    (created,), (retried,) = desk.audited("key.created"), desk.audited("outbox.retried")
    assert created["user_agent"] == "manage.py keys create 'front door' --role admin"
    assert retried["user_agent"] == "manage.py outbox retry --reason 'the token [secret] was wrong'"
