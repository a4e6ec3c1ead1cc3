"""The sandbox as tests and `manage.py sandbox` use it: start it, ask it, misuse it, stop it."""

import threading
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from types import TracebackType
from typing import Self

from attendance.telegram.sandbox.bot_api import (
    DEFAULT_TOKEN,
    BotApi,
    Reply,
    refused,
    too_many_requests,
)
from attendance.telegram.sandbox.connections import ConnectionServer
from attendance.telegram.sandbox.faults import Fault, Faults, read_fault
from attendance.telegram.sandbox.handler import Handler
from attendance.telegram.sandbox.limits import Limits, Rate
from attendance.telegram.sandbox.state import (
    CHAT_STATUSES,
    Chat,
    Message,
    Moment,
    Request,
    State,
    new_chat,
)

_JOIN_SECONDS = 5.0


class Sandbox:
    """A Bot API server on this machine, from `start` to `stop` or as a context manager.

    `port` 0 takes a free one. A limit is (requests, seconds) and off by default: over all chats,
    for each private chat, for each group or channel.
    """

    def __init__(
        self,
        port: int = 0,
        *,
        host: str = "127.0.0.1",
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
        self._address = (host, port)
        self._server: ConnectionServer | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> Self:
        """Listen, and serve in threads of its own. Raises OSError where the port is taken."""
        self.stopping.clear()
        self._server = ConnectionServer(self._address, partial(Handler, self))
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.02,), name="sandbox", daemon=True
        )
        self._thread.start()
        return self

    def stop(self) -> None:
        """End all connections, also those that wait in a fault, and close the port."""
        if self._server is None or self._thread is None:
            return
        self.stopping.set()
        self._server.shutdown()
        self._thread.join(_JOIN_SECONDS)
        self._server.end_connections()
        self._server.server_close()
        self._address = (self._address[0], self.port)
        self._server = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def port(self) -> int:
        """The port it listens on; after a stop the same one again."""
        return self._server.server_address[1] if self._server else self._address[1]

    @property
    def url(self) -> str:
        """What TELEGRAM_API_BASE is set to."""
        return f"http://{self._address[0]}:{self.port}"

    @property
    def requests(self) -> list[Request]:
        """Every call so far, refused ones included, in the order of their start."""
        return self.state.requests()

    def messages(self, chat_id: int | str | None = None) -> list[Message]:
        """What was delivered to a chat, or to all, in the order of arrival."""
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
        """The reply to a call that began at `started`, and the fault that it met, waited out.

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
    """The reply that a fault gives instead of the usual one."""
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
