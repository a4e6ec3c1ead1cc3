"""`manage.py chats pause` and `resume`, and how `list` shows what waits."""

import pytest
from commands import Desk

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
