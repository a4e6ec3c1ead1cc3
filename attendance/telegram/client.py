"""Send messages through Telegram's Bot API: one attempt a call, and each way it can end is a value.

May import the transport's interface from `outbox`, `config.secrets`, and this package.
"""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple
from weakref import WeakSet

import requests
from urllib3.exceptions import HTTPError

from attendance.config.secrets import Secret
from attendance.outbox.transport import Delivered, Outcome, Outgoing, Rejected, Retry
from attendance.telegram.deadline import Deadline, until
from attendance.telegram.errors import (
    Failure,
    NotSent,
    failure_of,
    outcome_of,
    outcome_of_exception,
    refused_markup,
    result_of,
    results_of,
    succeeded,
)
from attendance.telegram.markdown.markup import MarkupError, parse
from attendance.telegram.markdown.text import clean, cut, escape, plain, printable
from attendance.telegram.session import BotSession, keep_urls_out_of_logs

LONGEST_TEXT = 4096  # code points after parsing
LONGEST_MARKUP = 32_768  # bytes before parsing
_MOST_REMEMBERED = 10_000  # messages whose markup was refused
BODY_LIMIT = 64 * 1024  # bytes of an answer that are read; a Message has some hundred
UPDATES_LIMIT = 8 * 1024 * 1024  # bytes of an answer to getUpdates: up to 100 updates
# Telegram itself waits out a bot's short floods, for up to 8 s: a second request with less time
# would often end uncertain, although the first was surely not delivered.
RESEND_SECONDS = 10.0


class Reply(NamedTuple):
    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Identity:
    """The bot that the token belongs to."""

    id: int
    username: str


@dataclass(frozen=True, slots=True)
class ChatInfo:
    """A chat that the bot can see: its id, Telegram's type of it, and its title or name."""

    id: str
    type: str
    title: str

    @classmethod
    def of(cls, chat: Mapping[str, Any]) -> "ChatInfo":
        """Read a Chat object. Names are cleaned: strangers choose them, and terminals show them."""
        names = (chat.get(key) for key in ("title", "first_name", "last_name"))
        title = " ".join(str(name) for name in names if name) or str(chat.get("username") or "")
        return cls(str(chat["id"]), str(chat.get("type") or ""), printable(title))


def _always(_: Outgoing) -> bool:
    return True


class TelegramClient:
    """A `Transport`; may be shared by threads, each of which keeps a connection of its own.

    `connect_seconds` bounds resolving, connecting and TLS together. `may_resend` is asked before
    a second sendMessage within one call, so that it can be counted against the chat's rate limit.
    """

    def __init__(
        self,
        *,
        token: Secret,
        api_base: str,
        connect_seconds: float,
        may_resend: Callable[[Outgoing], bool] = _always,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._token = token
        self._api_base = api_base.rstrip("/")
        self._connect_seconds = connect_seconds
        self._may_resend = may_resend
        self._monotonic = monotonic
        self._plain_only: set[int] = set()
        self._of_thread = threading.local()
        # Weak, so that a thread that ends takes its session along.
        self._sessions: WeakSet[BotSession] = WeakSet()
        keep_urls_out_of_logs()

    def send(self, message: Outgoing, total_seconds: float) -> Outcome:
        """Deliver `message`; as plain text if Telegram refuses its markup.

        With less than RESEND_SECONDS left for that, or where `may_resend` says no, return `Retry`:
        the message goes out as plain text at its next attempt.
        """
        deadline = Deadline(total_seconds, self._monotonic)
        if message.id in self._plain_only:
            return self._send_plain(message, deadline)
        outcome = self._send(message, deadline, text=markup_of(message), parse_mode="MarkdownV2")
        if not refused_markup(outcome):
            return outcome
        self._remember_as_plain(message.id)
        if deadline.left() < RESEND_SECONDS or not self._may_resend(message):
            return Retry("markup refused, plain text comes next")
        return self._send_plain(message, deadline)

    def get_me(self, total_seconds: float) -> Identity | Failure:
        """Return the bot of the token: proof that the token is valid and the API reachable."""
        reply = self._call("getMe", {}, Deadline(total_seconds, self._monotonic))
        if not isinstance(reply, Reply):
            return reply
        match result_of(reply.status, reply.body):
            case {"id": int(id_), "username": str(username)}:
                return Identity(id_, username)
            case _:
                return failure_of(*reply)

    def can_write(self, chat_id: str, total_seconds: float) -> Failure | None:
        """Return None if the bot may write in a chat, else why not. It writes nothing, but the chat
        sees "typing" for some seconds."""
        payload = {"chat_id": chat_id, "action": "typing"}
        reply = self._call("sendChatAction", payload, Deadline(total_seconds, self._monotonic))
        if not isinstance(reply, Reply):
            return reply
        return None if succeeded(reply.status, reply.body) else failure_of(*reply)

    def get_chat(self, chat_id: str, total_seconds: float) -> ChatInfo | Failure:
        """Return what the bot sees of a chat; this does not prove that it may write there."""
        deadline = Deadline(total_seconds, self._monotonic)
        reply = self._call("getChat", {"chat_id": chat_id}, deadline)
        if not isinstance(reply, Reply):
            return reply
        chat = result_of(reply.status, reply.body)
        if chat is None or not isinstance(chat.get("id"), int):
            return failure_of(*reply)
        return ChatInfo.of(chat)

    def get_updates(self, total_seconds: float) -> list[dict[str, Any]] | Failure:
        """Return up to 100 updates: what people did lately where the bot sees it. Without an offset
        nothing is confirmed, and so nothing is taken from whoever else reads them."""
        deadline = Deadline(total_seconds, self._monotonic)
        reply = self._call("getUpdates", {}, deadline, UPDATES_LIMIT)
        if not isinstance(reply, Reply):
            return reply
        updates = results_of(reply.status, reply.body)
        return failure_of(*reply) if updates is None else updates

    def send_text(
        self, chat_id: str, markup: str, total_seconds: float, *, thread_id: int | None = None
    ) -> Outcome:
        """Send a text that is not in the outbox: once, as it is, without a reference."""
        message = Outgoing(0, chat_id, markup, thread_id=thread_id)
        deadline = Deadline(total_seconds, self._monotonic)
        return self._send(message, deadline, text=markup, parse_mode="MarkdownV2")

    def close(self) -> None:
        """Close the idle connections of all threads; the client stays usable."""
        for line in list(self._sessions):
            line.close()

    def _remember_as_plain(self, message_id: int) -> None:
        """Remember that a message's markup was refused. Another process may deliver the message
        without telling us, so the set can only be emptied: forgetting costs one more refusal."""
        if len(self._plain_only) >= _MOST_REMEMBERED:
            self._plain_only.clear()
        self._plain_only.add(message_id)

    def _send_plain(self, message: Outgoing, deadline: Deadline) -> Outcome:
        outcome = self._send(message, deadline, text=plain_of(message))
        if isinstance(outcome, Delivered | Rejected):
            self._plain_only.discard(message.id)
        return outcome

    def _send(self, message: Outgoing, deadline: Deadline, **text: str) -> Outcome:
        payload: dict[str, Any] = {
            "chat_id": message.chat_id,
            "link_preview_options": {"is_disabled": True},
            **text,
        }
        # Options that are not set are left out: Telegram would read a null as a text.
        if message.thread_id is not None:
            payload["message_thread_id"] = message.thread_id
        if message.silent:
            payload["disable_notification"] = True
        reply = self._call("sendMessage", payload, deadline)
        return outcome_of(*reply) if isinstance(reply, Reply) else reply

    def _call(
        self,
        method: str,
        payload: dict[str, Any],
        deadline: Deadline,
        body_limit: int = BODY_LIMIT,
    ) -> Reply | Failure:
        if (seconds := deadline.left()) <= 0:
            return Retry("not sent: no time was left")
        try:
            with until(deadline), self._post(method, payload, seconds) as response:
                body = response.raw.read(body_limit, decode_content=True)
                return Reply(response.status_code, response.headers, body)
        except (requests.RequestException, HTTPError, NotSent, OSError) as error:
            return outcome_of_exception(error)

    def _post(self, method: str, payload: dict[str, Any], seconds: float) -> requests.Response:
        url = f"{self._api_base}/bot{self._token.reveal()}/{method}"
        timeout = (min(self._connect_seconds, seconds), seconds)
        return self._session().post(url, payload, timeout)

    def _session(self) -> BotSession:
        if not hasattr(self._of_thread, "line"):
            self._of_thread.line = BotSession()
            self._sessions.add(self._of_thread.line)
        line: BotSession = self._of_thread.line
        return line


def markup_of(message: Outgoing) -> str:
    """Return the message's markup and reference, cut if Telegram would refuse its length."""
    text, reference = clean(message.text), _reference(message)
    whole, room = text + escape(reference), LONGEST_TEXT - len(reference)
    # What is shown is never longer than its markup: a short text need not be parsed.
    if len(whole.encode()) <= LONGEST_MARKUP and (len(text) <= room or len(_shown(text)) <= room):
        return whole
    return escape(plain_of(message))


def plain_of(message: Outgoing) -> str:
    """Return the message's text without markup, cut to what Telegram takes, and its reference."""
    reference = _reference(message)
    return cut(_shown(clean(message.text)), LONGEST_TEXT - len(reference)) + reference


def _shown(markup: str) -> str:
    """Return the text without its marks; if Telegram would refuse them, without those we know."""
    try:
        return parse(markup).text
    except MarkupError:
        return plain(markup)


def _reference(message: Outgoing) -> str:
    """Return a last line by which people recognise a message that comes twice."""
    return f"\n#{message.id}" + (" · may be a repeat" if message.repeats else "")
