"""`manage.py chats add`, `remove` and `list`: what a chat is told of."""

import json
from typing import Any

import pytest
from commands import Desk

GROUP = "-1001234567890"


def _routes(desk: Desk, chat: str = GROUP) -> list[tuple[Any, ...]]:
    return [
        (route["site"], route["group"], route["event"], route["thread_id"])
        for row in desk.json("chats", "list")
        if row["chat_id"] == chat
        for route in row["routes"]
    ]


def _settings(desk: Desk, chat: str = GROUP) -> tuple[Any, ...]:
    (row,) = [row for row in desk.json("chats", "list") if row["chat_id"] == chat]
    return row["title"], row["silent"], row["quiet_hours"]


def test_a_chat_without_conditions_is_told_of_everything(desk: Desk) -> None:
    said = desk.done("chats", "add", "2000")

    assert said == (
        "The chat 2000 is told of everything.\nTry it: `manage.py chats test -- 2000`.\n"
    )
    assert _routes(desk, "2000") == [(None, None, None, None)]


@pytest.mark.parametrize("dashes", [(), ("--",)])
@pytest.mark.parametrize("command", ["add", "pause", "resume", "remove"])
def test_a_negative_id_may_stand_behind_two_dashes_or_alone(
    desk: Desk, command: str, dashes: tuple[str, ...]
) -> None:
    desk.done("chats", "add", "--", GROUP)

    assert GROUP in desk.done("chats", command, *dashes, GROUP)


def test_options_may_follow_a_bare_negative_id(desk: Desk) -> None:
    desk.done("chats", "add", GROUP, "--site", "HQ", "--silent")

    assert _routes(desk) == [("HQ", None, None, None)]


def test_of_several_values_any_will_do(desk: Desk) -> None:
    said = desk.done(
        *("chats", "add", "--site", "HQ", "--site", "Berlin", "--event", "late"),
        *("--group", "Engines", "--topic", "5", "--", GROUP),
    )

    assert "site HQ, group Engines, late (topic 5); site Berlin, group Engines, late" in said
    assert _routes(desk) == [
        ("HQ", "Engines", "late", 5),
        ("Berlin", "Engines", "late", 5),
    ]


def test_the_general_topic_is_the_group_itself(desk: Desk) -> None:
    desk.done("chats", "add", "--topic", "1", "--", GROUP)

    assert _routes(desk) == [(None, None, None, None)]


def test_adding_again_changes_nothing_and_is_not_audited(desk: Desk) -> None:
    desk.done("chats", "add", "--site", "HQ", "--", GROUP)

    desk.done("chats", "add", "--site", "hq", "--", GROUP)

    assert _routes(desk) == [("HQ", None, None, None)]
    assert len(desk.audited("chat.added")) == 1


def test_the_first_conditions_end_that_it_is_told_of_everything(desk: Desk) -> None:
    desk.done("chats", "add", "--", GROUP)

    said = desk.done("chats", "add", "--site", "HQ", "--", GROUP)

    assert said.startswith("Until now it was told of everything.\n")
    assert _routes(desk) == [("HQ", None, None, None)]


@pytest.mark.slow
def test_settings_alone_leave_a_chat_s_conditions(desk: Desk) -> None:
    desk.done("chats", "add", "--site", "HQ", "--title", "Office", "--", GROUP)

    desk.done("chats", "add", "--silent", "--quiet-hours", "22:00-07:00", "--", GROUP)
    assert _settings(desk) == ("Office", True, "22:00-07:00")

    desk.done("chats", "add", "--no-silent", "--quiet-hours", "off", "--", GROUP)
    assert _settings(desk) == ("Office", False, None)
    assert _routes(desk) == [("HQ", None, None, None)]


def test_the_change_is_audited_with_the_user(desk: Desk) -> None:
    desk.done("chats", "add", "--site", "HQ", "--title", "Office", "--", GROUP)

    (entry,) = desk.audited("chat.added")
    assert (entry["actor_type"], entry["target_type"], entry["target_id"]) == (
        *("os_user", "chat", GROUP),
    )
    assert json.loads(entry["after_json"]) == {"routes": ["site HQ"], "title": "Office"}


@pytest.mark.slow
def test_a_chat_is_removed_and_what_waits_for_it_stays(desk: Desk) -> None:
    desk.done("chats", "add", "--site", "HQ", "--site", "Berlin", "--", GROUP)
    desk.message(chat=GROUP)

    said = desk.done("chats", "remove", "--", GROUP)

    assert said.startswith(f"The chat {GROUP} is no more told of site HQ; site Berlin.\n")
    assert "still goes out" in said
    assert _routes(desk) == []
    assert list(desk.statuses().values()) == ["pending"]
    (entry,) = desk.audited("chat.removed")
    assert json.loads(entry["before_json"]) == {"routes": ["site HQ", "site Berlin"]}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "left"),
    [
        (("--site", "HQ"), [("Berlin", None, None, None), (None, None, "late", 5)]),
        (("--site", "HQ", "--site", "Berlin"), [(None, None, "late", 5)]),
        (("--topic", "5"), [("HQ", None, None, None), ("Berlin", None, None, None)]),
        (("--topic", "1"), [(None, None, "late", 5)]),
        (("--event", "late"), [("HQ", None, None, None), ("Berlin", None, None, None)]),
    ],
)
def test_single_routes_are_removed(desk: Desk, options: tuple[str, ...], left: list[Any]) -> None:
    desk.done("chats", "add", "--site", "HQ", "--site", "Berlin", "--", GROUP)
    desk.done("chats", "add", "--event", "late", "--topic", "5", "--", GROUP)

    desk.done("chats", "remove", *options, "--", GROUP)

    assert _routes(desk) == left


@pytest.mark.parametrize(
    ("options", "words"), [((), "has no route:"), (("--site", "Rome"), "has no such route:")]
)
def test_what_is_not_there_is_not_removed(desk: Desk, options: tuple[str, ...], words: str) -> None:
    result = desk.run("chats", "remove", *options, "--", GROUP)

    assert result.exit_code == 1
    assert words in result.stderr
    assert [row["outcome"] for row in desk.audited("chat.removed")] == ["refused"]


def test_of_the_default_chat_it_is_said_that_it_stays_one(desk: Desk) -> None:
    desk.environ["TELEGRAM_CHAT_ID"] = "1000"
    desk.done("chats", "add", "1000")

    assert "TELEGRAM_CHAT_ID" in desk.done("chats", "remove", "1000")


@pytest.mark.slow
def test_the_list_says_what_each_is_told_of_and_what_holds_it_up(desk: Desk) -> None:
    desk.environ["TELEGRAM_CHAT_ID"] = "1000"
    desk.message(chat="1000")
    desk.done("chats", "add", "--site", "HQ", "--topic", "5", "--title", "Office", "--", GROUP)
    desk.done("chats", "add", "--quiet-hours", "22:00-07:00", "3000")
    desk.done("chats", "pause", "--reason", "holidays", "3000")

    lines = desk.done("chats", "list").splitlines()

    assert [line.split("  ")[0] for line in lines] == ["CHAT", "1000", GROUP, "3000"]
    assert "what no condition takes" in lines[1]
    assert "site HQ (topic 5)" in lines[2]
    assert lines[2].endswith("open")
    assert "off 22:00-07:00" in lines[3]
    assert lines[3].endswith("holidays")


@pytest.mark.parametrize(
    "arguments",
    [
        ("add",),
        ("add", "nonsense"),
        ("add", "12.5"),
        ("add", "--stie", "HQ", "--", GROUP),
        ("add", GROUP, "--stie", "HQ"),
        ("add", GROUP, "-2000"),
        ("add", "--event", "sleep", "--", GROUP),
        ("add", "--topic", "0", "--", GROUP),
        ("add", "--quiet-hours", "22:00", "--", GROUP),
        ("add", "--quiet-hours", "07:00-07:00", "--", GROUP),
        ("remove",),
        ("pause", "--", "the office"),
        ("test",),
        ("discover", GROUP),
    ],
)
def test_wrong_usage_is_exit_code_2(desk: Desk, arguments: tuple[str, ...]) -> None:
    result = desk.run("chats", *arguments)

    assert result.exit_code == 2
    assert "Usage: manage.py chats" in result.stderr
    assert desk.rows("SELECT * FROM chat") == []
