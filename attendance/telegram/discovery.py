"""Find the chats, and their topics, that a bot's updates speak of.

May import this package.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from attendance.telegram.client import ChatInfo
from attendance.telegram.markdown.text import printable

_GONE = frozenset({"left", "kicked"})


@dataclass(slots=True)
class Found:
    """A chat, and its topics: each one's name by its number, empty if no update tells it."""

    chat: ChatInfo
    topics: dict[int, str] = field(default_factory=dict)


def chats_in(updates: Iterable[Mapping[str, Any]]) -> list[Found]:
    """Return the chats that the updates speak of, in the order of their first update; without those
    that the bot was removed from since, and groups that have become supergroups."""
    found: dict[str, Found] = {}
    for kind, event in _events(updates):
        chat = ChatInfo.of(event["chat"])
        if _is_over(kind, event):
            found.pop(chat.id, None)
            continue
        one = found.setdefault(chat.id, Found(chat))
        topic = event.get("message_thread_id")
        if isinstance(topic, int) and event.get("is_topic_message"):
            one.topics[topic] = _topic_name(event) or one.topics.get(topic, "")
    return list(found.values())


def _events(updates: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the kind of each update and its event in a chat: a message, a post, a member who comes
    or goes, a tap on a message's button."""
    for update in updates:
        for kind, event in update.items():
            match event:
                case {"chat": {"id": int()}}:
                    yield kind, event
                case {"message": {"chat": {"id": int()}}}:
                    yield kind, event["message"]


def _is_over(kind: str, event: Mapping[str, Any]) -> bool:
    match event:
        case {"new_chat_member": {"status": str(status)}} if kind == "my_chat_member":
            return status in _GONE
        case _:
            return "migrate_to_chat_id" in event


def _topic_name(event: Mapping[str, Any]) -> str:
    for where in (event, event.get("reply_to_message")):
        match where:
            case {"forum_topic_created": {"name": str(name)}}:
                return printable(name)
    return ""
