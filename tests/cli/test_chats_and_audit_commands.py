"""`manage.py chats` and `manage.py audit`."""

import pytest
from commands import TOKEN, Desk

GROUP = "-1001234567890"


def _state(desk: Desk, chat: str = GROUP) -> tuple[bool, str | None]:
    """Is the chat parked, and why?"""
    (row,) = [row for row in desk.json("chats", "list") if row["chat_id"] == chat]
    return row["parked_at"] is not None, row["park_reason"]


def test_a_chat_is_paused_and_resumed_behind_two_dashes(desk: Desk) -> None:
    desk.message(chat=GROUP)

    assert desk.done("chats", "pause", "--reason", "holidays", "--", GROUP) == (
        f"The chat {GROUP} is paused.\n"
    )
    assert _state(desk) == (True, "holidays")
    assert desk.done("chats", "resume", "--", GROUP) == f"The chat {GROUP} is resumed.\n"
    assert _state(desk) == (False, None)


def test_pausing_and_resuming_are_audited(desk: Desk) -> None:
    desk.message(chat="1000")

    desk.done("chats", "pause", "1000")
    desk.done("chats", "resume", "1000")

    (paused,), (resumed,) = desk.audited("chat.paused"), desk.audited("chat.resumed")
    assert (paused["target_type"], paused["target_id"]) == ("chat", "1000")
    assert paused["reason"] == "paused by an admin"
    assert (resumed["actor_type"], resumed["target_id"]) == ("os_user", "1000")


@pytest.mark.parametrize("action", ["pause", "resume"])
def test_a_chat_that_nobody_wrote_to_is_refused(desk: Desk, action: str) -> None:
    result = desk.run("chats", action, "--", GROUP)

    assert result.exit_code == 1
    assert result.stderr == (
        f"Error: No message was ever addressed to {GROUP}: "
        "`manage.py chats list` shows the chats.\n"
    )
    (entry,) = desk.audited(f"chat.{action}d")
    assert (entry["outcome"], entry["target_id"]) == ("refused", GROUP)


def test_the_list_counts_what_waits(desk: Desk) -> None:
    desk.message(chat=GROUP)
    desk.message(chat=GROUP)
    desk.message("sent", chat="1000")

    assert {row["chat_id"]: row["waiting"] for row in desk.json("chats", "list")} == {
        GROUP: 2,
        "1000": 0,
    }
    assert desk.done("chats", "list").splitlines()[0].startswith("CHAT")


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


def test_the_trail_has_the_command_as_it_was_typed(desk: Desk) -> None:
    desk.done("keys", "create", "front door", "--role", "admin")
    desk.message("failed")
    desk.done("outbox", "retry", "--reason", f"the token {TOKEN} was wrong")

    (created,), (retried,) = desk.audited("key.created"), desk.audited("outbox.retried")
    assert created["user_agent"] == "manage.py keys create 'front door' --role admin"
    assert retried["user_agent"] == "manage.py outbox retry --reason 'the token [secret] was wrong'"
