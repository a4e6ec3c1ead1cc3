"""Which chats and topics are found in what the bot was told, as TDLib's server words it."""

from typing import Any

import pytest

from attendance.telegram.client import ChatInfo
from attendance.telegram.discovery import Found, chats_in

GROUP = {"id": -1001, "type": "supergroup", "title": "Engines", "is_forum": True}
FOUND = ChatInfo("-1001", "supergroup", "Engines")


def _update(kind: str, **event: Any) -> dict[str, Any]:
    return {"update_id": 1, kind: {"chat": GROUP, **event}}


@pytest.mark.parametrize(
    "update",
    [
        _update("message", text="hi"),
        _update("edited_message", text="hi"),
        _update("channel_post", text="hi"),
        _update("my_chat_member", new_chat_member={"status": "member"}),
        _update("chat_member", new_chat_member={"status": "left"}),  # somebody else
        {"update_id": 1, "callback_query": {"id": "5", "message": {"chat": GROUP}}},
    ],
)
def test_a_chat_is_found_in_whatever_happened_there(update: dict[str, Any]) -> None:
    assert chats_in([update]) == [Found(FOUND)]


@pytest.mark.parametrize(
    ("chat", "title"),
    [
        ({"first_name": "Ada", "last_name": "Lovelace"}, "Ada Lovelace"),
        ({"first_name": "Ada"}, "Ada"),
        ({"username": "ada"}, "ada"),
        ({}, ""),
        ({"title": "a\nb\x1b[2J\x9b\u202e"}, "a b [2J "),
    ],
)
def test_a_chat_is_called_by_its_title_or_name(chat: dict[str, Any], title: str) -> None:
    (found,) = chats_in([{"message": {"chat": {"id": 5, "type": "private", **chat}}}])

    assert found.chat == ChatInfo("5", "private", title)


def test_each_chat_is_found_once_and_in_order() -> None:
    person = {"message": {"chat": {"id": 5, "type": "private"}}}

    found = chats_in([_update("message"), person, _update("message")])

    assert [one.chat.id for one in found] == ["-1001", "5"]


def test_topics_are_found_with_their_names() -> None:
    created = {"forum_topic_created": {"name": "Late\x1b shift"}}

    found = chats_in(
        [
            _update("message", message_thread_id=5, is_topic_message=True, **created),
            _update("message", message_thread_id=5, is_topic_message=True, text="hi"),
            _update(
                "message",
                message_thread_id=7,
                is_topic_message=True,
                reply_to_message={**created, "message_id": 7},
            ),
            _update("message", message_thread_id=9, is_topic_message=True),
            _update("message", message_thread_id=11),  # a thread of replies
        ]
    )

    assert found == [Found(FOUND, {5: "Late  shift", 7: "Late  shift", 9: ""})]


@pytest.mark.parametrize(
    "later",
    [
        _update("my_chat_member", new_chat_member={"status": "left"}),
        _update("my_chat_member", new_chat_member={"status": "kicked"}),
        _update("message", migrate_to_chat_id=-1002),
    ],
)
def test_a_chat_that_the_bot_has_lost_is_left_out(later: dict[str, Any]) -> None:
    assert chats_in([_update("message"), later]) == []
    assert chats_in([later, _update("message")]) == [Found(FOUND)]


@pytest.mark.parametrize(
    "update",
    [
        {},
        {"update_id": 1},
        {"poll": {"id": "5"}},
        {"message": "x"},
        {"message": {}},
        {"message": {"chat": {"id": "5"}}},
        {"inline_query": {"id": "1", "message": 5}},
    ],
)
def test_what_speaks_of_no_chat_is_passed_over(update: dict[str, Any]) -> None:
    assert chats_in([update]) == []
