"""What the sandbox knows: chats, messages, requests, updates. Safe for many threads."""

import re
import secrets
import threading
import time
import zlib
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from attendance.telegram.markdown.entities import Entity, Formatted

CHAT_STATUSES = (
    *("ok", "unknown", "blocked", "deactivated", "not_started", "kicked", "left", "no_rights"),
    *("topic_closed", "topic_not_found", "migrated"),
)
_FIRST_SUPERGROUP = -1_000_000_000_001


@dataclass(frozen=True, slots=True)
class Moment:
    """One instant on both clocks: `monotonic` seconds to compare, `utc` to show."""

    monotonic: float
    utc: datetime

    @classmethod
    def now(cls) -> "Moment":
        return cls(time.monotonic(), datetime.now(UTC))


@dataclass(frozen=True, slots=True)
class Message:
    """A message that was delivered, as the chat's people see it.

    `id` counts within the chat, `sequence` over all chats; `text` is plain, `raw_text` as sent.
    """

    id: int
    sequence: int
    chat_id: str
    text: str
    entities: tuple[Entity, ...]
    raw_text: str
    thread_id: int | None
    silent: bool
    arrived_at: datetime
    arrived_monotonic: float

    def as_json(self) -> dict[str, object]:
        return {
            "id": self.id,
            "sequence": self.sequence,
            "chat_id": self.chat_id,
            "text": self.text,
            "entities": [entity.as_json() for entity in self.entities],
            "raw_text": self.raw_text,
            "thread_id": self.thread_id,
            "silent": self.silent,
            "arrived_at": self.arrived_at.isoformat(),
            "arrived_monotonic": self.arrived_monotonic,
        }


@dataclass(frozen=True, slots=True)
class Request:
    """A call of the Bot API, refused ones included, from the moment its head was read.

    `status` is None while it runs, 0 where the connection was dropped; `error` is the reply's
    description; `fault` the kind of fault that it met.
    """

    sequence: int
    method: str
    started_at: datetime
    started_monotonic: float
    parameters: dict[str, str] = field(default_factory=dict)
    status: int | None = None
    error: str = ""
    fault: str = ""

    @property
    def chat_id(self) -> str:
        return self.parameters.get("chat_id", "")

    def as_json(self) -> dict[str, object]:
        return {
            "sequence": self.sequence,
            "method": self.method,
            "chat_id": self.chat_id,
            "started_at": self.started_at.isoformat(),
            "started_monotonic": self.started_monotonic,
            "parameters": self.parameters,
            "status": self.status,
            "error": self.error,
            "fault": self.fault,
        }


@dataclass(frozen=True, slots=True)
class Chat:
    """A chat: `kind` is Telegram's (private, group, supergroup, channel), `status` our setting."""

    id: str
    kind: str
    title: str
    status: str = "ok"
    migrate_to: str = ""
    last_message_id: int = 0

    def as_json(self) -> dict[str, object]:
        """Return the Chat object of the Bot API."""
        number = int(self.id) if not self.id.startswith("@") else _channel_number(self.id)
        name = "first_name" if self.kind == "private" else "title"
        handle = {"username": self.id[1:]} if self.id.startswith("@") else {}
        return {"id": number, "type": self.kind, name: self.title, **handle}


def new_chat(chat_id: str) -> Chat | None:
    """Return the chat that an id describes by its form; None if no chat can have that id."""
    if re.fullmatch("@[A-Za-z][A-Za-z0-9_]{3,31}", chat_id):
        return Chat(chat_id, "channel", chat_id[1:])
    if not re.fullmatch("-?[1-9][0-9]{0,15}", chat_id):
        return None
    number = int(chat_id)
    if number > 0:
        return Chat(chat_id, "private", f"Person {chat_id}")
    if number <= _FIRST_SUPERGROUP:
        return Chat(chat_id, "supergroup", f"Group {chat_id[4:]}")
    return Chat(chat_id, "group", f"Group {chat_id[1:]}")


def _channel_number(name: str) -> int:
    return _FIRST_SUPERGROUP - zlib.crc32(name.lower().encode())


class State:
    """Everything that was received, under one lock; `changed` is notified of every change."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.reset()

    def reset(self) -> None:
        """Forget everything; a new epoch tells the page to begin again."""
        with self.changed:
            self.epoch = secrets.token_hex(4)
            self._chats: dict[str, Chat] = {}
            self._messages: list[Message] = []
            self._requests: list[Request] = []
            self._updates: list[dict[str, object]] = []
            self._update_count = 0
            self.changed.notify_all()

    def chat(self, chat_id: str) -> Chat | None:
        with self.changed:
            return self._chats.get(chat_id) or new_chat(chat_id)

    def chats(self) -> list[Chat]:
        with self.changed:
            return list(self._chats.values())

    def set_chat(self, chat: Chat) -> None:
        with self.changed:
            self._chats[chat.id] = chat
            self.changed.notify_all()

    def deliver(
        self, chat: Chat, formatted: Formatted, raw: str, thread: int | None, *, silent: bool
    ) -> Message:
        """Record a message at this moment, under the chat's next id."""
        with self.changed:
            message = self.draft(chat, formatted, raw, thread, silent=silent)
            known = self._chats.get(chat.id, chat)
            self._chats[chat.id] = replace(known, last_message_id=message.id)
            self._messages.append(message)
            self.changed.notify_all()
            return message

    def draft(
        self, chat: Chat, formatted: Formatted, raw: str, thread: int | None, *, silent: bool
    ) -> Message:
        """Return the message that `deliver` would record."""
        now = Moment.now()
        with self.changed:
            return Message(
                id=self._chats.get(chat.id, chat).last_message_id + 1,
                sequence=len(self._messages) + 1,
                chat_id=chat.id,
                text=formatted.text,
                entities=formatted.entities,
                raw_text=raw,
                thread_id=thread,
                silent=silent,
                arrived_at=now.utc,
                arrived_monotonic=now.monotonic,
            )

    def messages(self, chat_id: str | None = None, after: int = 0) -> list[Message]:
        """Return messages in the order of arrival, of one chat or all, later than sequence
        `after`."""
        with self.changed:
            later = self._messages[after:]
        return [message for message in later if chat_id in {None, message.chat_id}]

    def wait_for(self, count: int, timeout_seconds: float) -> bool:
        """Wait until `count` messages have arrived; False if they have not when the time is
        over."""
        with self.changed:
            return self.changed.wait_for(lambda: len(self._messages) >= count, timeout_seconds)

    def begin_request(self, method: str, parameters: dict[str, str], started: Moment) -> Request:
        with self.changed:
            sequence = len(self._requests) + 1
            request = Request(sequence, method, started.utc, started.monotonic, parameters)
            self._requests.append(request)
            self.changed.notify_all()
            return request

    def end_request(self, request: Request, status: int, error: str, fault: str) -> None:
        """Note how a request ended, unless a reset has forgotten it meanwhile."""
        with self.changed:
            at = request.sequence - 1
            if at < len(self._requests) and _same(self._requests[at], request):
                self._requests[at] = replace(request, status=status, error=error, fault=fault)
                self.changed.notify_all()

    def requests(self, after: int = 0) -> list[Request]:
        with self.changed:
            return self._requests[after:]

    def add_update(self, chat: Chat, message: dict[str, object]) -> None:
        """Add something that a person did in a chat, for getUpdates."""
        kind = "channel_post" if chat.kind == "channel" else "message"
        with self.changed:
            self._update_count += 1
            self._chats.setdefault(chat.id, chat)
            self._updates.append({"update_id": self._update_count, kind: message})
            self.changed.notify_all()

    def updates(self, offset: int, limit: int, timeout_seconds: float) -> list[dict[str, object]]:
        """Return the oldest updates from `offset` on; earlier ones are forgotten. 0 forgets
        nothing."""
        with self.changed:
            self._updates = [u for u in self._updates if int(str(u["update_id"])) >= offset]
            self.changed.wait_for(lambda: bool(self._updates), timeout_seconds)
            return self._updates[:limit]


def _same(one: Request, other: Request) -> bool:
    return one.started_monotonic == other.started_monotonic and one.method == other.method
