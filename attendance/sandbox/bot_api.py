"""The methods of the Bot API that the sandbox knows, in Telegram's envelopes and words."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from attendance.sandbox import cleanup
from attendance.sandbox.state import Chat, Message, State
from attendance.telegram.markdown import markup
from attendance.telegram.markdown.entities import Formatted

DEFAULT_TOKEN = "123456:SANDBOX-not-a-secret-0123456789-abc"  # noqa: S105 - it opens nothing
MAX_TEXT_BYTES = 32_768
MAX_TEXT_CODE_POINTS = 4_096
GENERAL_TOPIC = 1

_PARSE_MODES = frozenset({"", "none", "markdownv2"})
_REFUSALS = {
    "unknown": (400, "Bad Request: chat not found"),
    "blocked": (403, "Forbidden: bot was blocked by the user"),
    "deactivated": (403, "Forbidden: user is deactivated"),
    "not_started": (403, "Forbidden: bot can't initiate conversation with a user"),
    "kicked": (403, "Forbidden: bot was kicked from the {kind} chat"),
    "left": (403, "Forbidden: bot is not a member of the {kind} chat"),
    "no_rights": (400, "Bad Request: not enough rights to send text messages to the chat"),
    "topic_closed": (400, "Bad Request: TOPIC_CLOSED"),
    "topic_not_found": (400, "Bad Request: message thread not found"),
    "migrated": (400, "Bad Request: group chat was upgraded to a supergroup chat"),
}


class Refused(Exception):
    """A call that Telegram refuses, with its status, description and parameters."""

    def __init__(self, status: int, description: str, **parameters: int) -> None:
        super().__init__(description)
        self.status = status
        self.description = description
        self.parameters = parameters


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer before it goes onto the wire; `error` is its description, empty for a success."""

    status: int
    body: bytes
    error: str = ""
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


def succeeded(result: object) -> Reply:
    return Reply(200, json.dumps({"ok": True, "result": result}).encode())


def refused(refusal: Refused) -> Reply:
    envelope: dict[str, object] = {
        "ok": False,
        "error_code": refusal.status,
        "description": refusal.description,
    }
    if refusal.parameters:
        envelope["parameters"] = refusal.parameters
    retry_after = refusal.parameters.get("retry_after")
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    body = json.dumps(envelope).encode()
    return Reply(refusal.status, body, refusal.description, headers=headers)


def too_many_requests(seconds: int) -> Refused:
    return Refused(429, f"Too Many Requests: retry after {seconds}", retry_after=seconds)


@dataclass(frozen=True, slots=True)
class Call:
    """What a method is given; without `record` it leaves no message behind."""

    parameters: Mapping[str, str]
    record: bool


class BotApi:
    """Answers one call at a time; everything that lasts is in `state`."""

    def __init__(self, state: State, token: str) -> None:
        self.state = state
        self.token = token
        self._methods: dict[str, Callable[[Call], object]] = {
            "getme": self._get_me,
            "getchat": self._get_chat,
            "getupdates": self._get_updates,
            "sendchataction": self._send_chat_action,
            "sendmessage": self._send_message,
        }

    def check_token(self, token: str) -> None:
        """Raise Refused: 401 for another bot's token, 404 for what is not a token."""
        if token == self.token:
            return
        if re.fullmatch(r"[1-9][0-9]*:[A-Za-z0-9_-]+", token):
            raise Refused(401, "Unauthorized")
        raise Refused(404, "Not Found")

    def call(self, method: str, parameters: Mapping[str, str], *, record: bool = True) -> Reply:
        """Answer a call; without `record` as if it were delivered, but leaving no message."""
        answer = self._methods.get(method.lower())
        if answer is None:
            return refused(Refused(404, "Not Found: method not found"))
        try:
            return succeeded(answer(Call(parameters, record)))
        except Refused as refusal:
            return refused(refusal)

    def user(self) -> dict[str, object]:
        """Return the bot itself, as in a message's `from`."""
        bot_id = int(self.token.partition(":")[0])
        return {"id": bot_id, "is_bot": True, "first_name": "Sandbox", "username": "sandbox_bot"}

    def _get_me(self, _: Call) -> object:
        return {
            **self.user(),
            "can_join_groups": True,
            "can_read_all_group_messages": False,
            "supports_inline_queries": False,
        }

    def _get_chat(self, call: Call) -> object:
        # Seeing a chat proves no right to write to it: only what hides it is refused.
        chat = self._chat(call.parameters)
        if chat.status in {"unknown", "kicked", "left"}:
            raise _refusal(chat)
        return {**chat.as_json(), "accent_color_id": 0, "max_reaction_count": 11}

    def _get_updates(self, call: Call) -> object:
        parameters = call.parameters
        offset = _number(parameters, "offset", 0)
        limit = min(max(_number(parameters, "limit", 100), 1), 100)
        return self.state.updates(offset, limit, min(_number(parameters, "timeout", 0), 50))

    def _send_chat_action(self, call: Call) -> object:
        self._writable_chat(call.parameters)
        return True

    def _send_message(self, call: Call) -> object:
        parameters = call.parameters
        raw = parameters.get("text", "")
        parsed = _parse(raw, parameters.get("parse_mode", "").lower())
        chat = self._writable_chat(parameters)
        formatted = _checked(parsed)
        keep = self.state.deliver if call.record else self.state.draft
        silent = parameters.get("disable_notification", "").lower() in {"true", "yes", "1"}
        message = keep(chat, formatted, raw, _thread(chat, parameters), silent=silent)
        return self._as_message(message, chat)

    def _as_message(self, message: Message, chat: Chat) -> dict[str, object]:
        answer: dict[str, object] = {
            "message_id": message.id,
            "from": self.user(),
            "chat": chat.as_json(),
            "date": int(message.arrived_at.timestamp()),
            "text": message.text,
        }
        if message.thread_id is not None:
            answer |= {"message_thread_id": message.thread_id, "is_topic_message": True}
        if message.entities:
            answer["entities"] = [entity.as_json() for entity in message.entities]
        return answer

    def _chat(self, parameters: Mapping[str, str]) -> Chat:
        chat_id = parameters.get("chat_id", "")
        if not chat_id:
            raise Refused(400, "Bad Request: chat_id is empty")
        chat = self.state.chat(chat_id)
        if chat is None:
            raise Refused(400, "Bad Request: chat not found")
        return chat

    def _writable_chat(self, parameters: Mapping[str, str]) -> Chat:
        chat = self._chat(parameters)
        if chat.status != "ok":
            raise _refusal(chat)
        if _thread(chat, parameters) == GENERAL_TOPIC:
            raise Refused(400, "Bad Request: message thread not found")
        return chat


def _refusal(chat: Chat) -> Refused:
    status, description = _REFUSALS[chat.status]
    moved = {"migrate_to_chat_id": int(chat.migrate_to)} if chat.status == "migrated" else {}
    return Refused(status, description.format(kind=chat.kind), **moved)


def _parse(raw: str, parse_mode: str) -> Formatted:
    if not raw:
        raise Refused(400, "Bad Request: message text is empty")
    if not _is_utf8(raw):
        raise Refused(400, "Bad Request: text must be encoded in UTF-8")
    if len(raw.encode()) > MAX_TEXT_BYTES:
        raise Refused(400, "Bad Request: text is too long")
    if parse_mode not in _PARSE_MODES:
        raise Refused(400, "Bad Request: unsupported parse_mode")
    try:
        return markup.parse(raw) if parse_mode == "markdownv2" else Formatted(raw)
    except markup.MarkupError as error:
        raise Refused(400, f"Bad Request: can't parse entities: {error}") from None


def _checked(parsed: Formatted) -> Formatted:
    formatted = cleanup.clean(parsed)
    if not formatted.text:
        raise Refused(400, "Bad Request: text must be non-empty")
    if len(formatted.text) > MAX_TEXT_CODE_POINTS:
        raise Refused(400, "Bad Request: message is too long")
    return formatted


def _is_utf8(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _thread(chat: Chat, parameters: Mapping[str, str]) -> int | None:
    """Return the topic; only supergroups and private chats have topics, elsewhere it is ignored."""
    if chat.kind not in {"supergroup", "private"}:
        return None
    return _number(parameters, "message_thread_id", 0) or None


def _number(parameters: Mapping[str, str], name: str, default: int) -> int:
    written = parameters.get(name, "")
    return int(written) if re.fullmatch("-?[0-9]{1,15}", written) else default
