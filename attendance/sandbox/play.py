"""What the sandbox is and does, apart from listening: its chats, its faults, its limits."""

import threading
from collections.abc import Mapping
from dataclasses import replace

from attendance.sandbox.bot_api import DEFAULT_TOKEN, BotApi, Reply, refused, too_many_requests
from attendance.sandbox.faults import Fault, Faults, read_fault
from attendance.sandbox.limits import Limits, Rate
from attendance.sandbox.state import CHAT_STATUSES, Chat, Message, Moment, Request, State, new_chat


class Play:
    """Telegram, played: what was sent, who refuses, what goes wrong. Shared by all connections.

    `stopping` ends the waits of faults. The limits are as for `Sandbox`.
    """

    def __init__(
        self,
        *,
        token: str = DEFAULT_TOKEN,
        limit_overall: Rate | None = None,
        limit_chat: Rate | None = None,
        limit_group: Rate | None = None,
    ) -> None:
        self.token = token
        self.state = State()
        self.faults = Faults()
        self.limits = Limits(limit_overall, limit_chat, limit_group)
        self.api = BotApi(self.state, token)
        self.stopping = threading.Event()

    @property
    def requests(self) -> list[Request]:
        """Return every call so far, refused ones included, in the order of their start."""
        return self.state.requests()

    def messages(self, chat_id: int | str | None = None) -> list[Message]:
        """Return what was delivered to a chat, or to all, in the order of arrival."""
        return self.state.messages(None if chat_id is None else str(chat_id))

    def wait_for(self, count: int, timeout_seconds: float = 5.0) -> list[Message]:
        """Wait until `count` messages have arrived. Raises TimeoutError, naming how many did."""
        if not self.state.wait_for(count, timeout_seconds):
            arrived = len(self.messages())
            raise TimeoutError(f"{arrived} of {count} messages arrived in {timeout_seconds} s")
        return self.messages()

    def fault(self, kind: str, **values: object) -> Fault:
        """Let the next request misbehave; see `faults.Fault` for the values. Raises BadFault."""
        fault = read_fault({"kind": kind, **values})
        self.faults.add(fault)
        return fault

    def clear_faults(self) -> None:
        """Forget the faults that no request has met yet."""
        self.faults.clear()

    def set_limits(
        self, overall: Rate | None = None, chat: Rate | None = None, group: Rate | None = None
    ) -> None:
        """Replace all three limits; None lifts one. What was counted before is forgotten."""
        self.limits.set(overall, chat, group)

    def set_chat(
        self, chat_id: int | str, status: str = "ok", *, migrate_to: int | str = "", title: str = ""
    ) -> Chat:
        """Set what a chat answers, one of `state.CHAT_STATUSES`, and its name on the page.

        Raises ValueError for an id, a status or a new id that cannot be.
        """
        known = self.state.chat(str(chat_id))
        if known is None:
            raise ValueError(f"chat_id: {chat_id!r} is no chat's id.")
        if status not in CHAT_STATUSES:
            raise ValueError(f"status: {status!r} is none of {', '.join(CHAT_STATUSES)}.")
        if status == "migrated" and new_chat(str(migrate_to)) is None:
            raise ValueError(f"migrate_to: {migrate_to!r} is no chat's id.")
        named = title or known.title
        chat = replace(known, status=status, migrate_to=str(migrate_to), title=named)
        self.state.set_chat(chat)
        return chat

    def receive(
        self, chat_id: int | str, text: str = "/start", *, thread_id: int | None = None
    ) -> None:
        """Let a person write in a chat, for getUpdates. Raises ValueError for no chat's id."""
        chat = self.state.chat(str(chat_id))
        if chat is None:
            raise ValueError(f"chat_id: {chat_id!r} is no chat's id.")
        message: dict[str, object] = {
            "message_id": 1,
            "from": {"id": 42, "is_bot": False, "first_name": "Ada"},
            "chat": chat.as_json(),
            "date": int(Moment.now().utc.timestamp()),
            "text": text,
        }
        if thread_id is not None:
            message |= {"message_thread_id": thread_id, "is_topic_message": True}
        self.state.add_update(chat, message)

    def reset(self) -> None:
        """Forget messages, requests, chats, updates and faults; limits stay, counted anew."""
        self.state.reset()
        self.clear_faults()
        self.set_limits(**self.limits.rates)

    def answer(
        self, method: str, parameters: Mapping[str, str], started: Moment
    ) -> tuple[Reply, Fault | None]:
        """Return the reply to a call that began at `started`, and the fault that it met, waited
        out.

        The limits come first: a request that they refuse meets no fault.
        """
        chat_id = parameters.get("chat_id", "")
        if method.lower() == "sendmessage":
            wait = self.limits.refuse(chat_id, started.monotonic)
            if wait:
                return refused(too_many_requests(wait)), None
        fault = self.faults.take(method, chat_id)
        if fault is None:
            return self.api.call(method, parameters), None
        return self._faulty_answer(method, parameters, fault), fault

    def _faulty_answer(self, method: str, parameters: Mapping[str, str], fault: Fault) -> Reply:
        if fault.delivered == "late":
            self.stopping.wait(fault.delay_seconds)
            reply = self.api.call(method, parameters)
        else:
            reply = self.api.call(method, parameters, record=bool(fault.delivered))
            self.stopping.wait(fault.delay_seconds)
        return _replaced(reply, fault)


def _replaced(reply: Reply, fault: Fault) -> Reply:
    """Return the reply that a fault gives instead of the usual one."""
    match fault.kind:
        case "answer":
            body, headers = fault.body.encode(), dict(fault.headers or {})
            return Reply(fault.status, body, fault.body[:200], fault.content_type, headers)
        case "drop":
            return Reply(0, b"", "connection reset")
        case "retry_after":
            return refused(too_many_requests(fault.seconds))
        case "redirect":
            return Reply(fault.status, b"", headers={"Location": fault.location})
    return reply
