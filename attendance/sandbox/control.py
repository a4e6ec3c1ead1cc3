"""The sandbox's own addresses under /sandbox: its state, and its settings, as JSON."""

import json
from collections.abc import Callable

from attendance.sandbox.bot_api import DEFAULT_TOKEN, Reply
from attendance.sandbox.faults import read_fault
from attendance.sandbox.play import Play

_SHOWN_REQUESTS = 50

Query = dict[str, list[str]]
Values = dict[str, object]


class BadRequest(Exception):
    """The request to the sandbox is wrong; the message names the field."""


def answer(sandbox: Play, command: str, path: str, query: Query, body: bytes) -> Reply:
    """Answer a request to the sandbox itself; 400 and 404 say in `error` what is wrong."""
    action = _ACTIONS.get((command, path.removeprefix("/sandbox/")))
    if action is None:
        known = ", ".join(f"{c} /sandbox/{name}" for c, name in _ACTIONS)
        return _reply({"error": f"There is no {command} {path}; known are {known}."}, 404)
    try:
        return _reply(action(sandbox, query, _values(body)))
    except (BadRequest, ValueError) as error:
        return _reply({"error": str(error)}, 400)


def _reply(value: object, status: int = 200) -> Reply:
    return Reply(status, json.dumps(value).encode(), headers={"Cache-Control": "no-store"})


def _values(body: bytes) -> Values:
    try:
        values = json.loads(body or b"{}")
    except ValueError:
        raise BadRequest("The body is not JSON.") from None
    if not isinstance(values, dict):
        raise BadRequest("The body is not a JSON object.")
    return values


def _number(query: Query, name: str) -> int:
    written = query.get(name, ["0"])[0]
    if not written.isdecimal():
        raise BadRequest(f"{name}: {written!r} is not a number from 0.")
    return int(written)


def _messages(sandbox: Play, query: Query, _: Values) -> object:
    chat_id = query.get("chat_id", [None])[0]
    found = sandbox.state.messages(chat_id, _number(query, "after"))
    return {"messages": [message.as_json() for message in found]}


def _requests(sandbox: Play, query: Query, _: Values) -> object:
    found = sandbox.state.requests(_number(query, "after"))
    return {"requests": [request.as_json() for request in found]}


def _page(sandbox: Play, query: Query, _: Values) -> object:
    """Return what the page polls for: all chats, messages later than `after`, the last requests."""
    state = sandbox.state
    requests = state.requests()
    messages = state.messages(after=_number(query, "after"))
    return {
        "epoch": state.epoch,
        "token": sandbox.token if sandbox.token == DEFAULT_TOKEN else "YOUR_TOKEN",
        "messages": [message.as_json() for message in messages],
        "chats": [
            {**chat.as_json(), "key": chat.id, "status": chat.status} for chat in state.chats()
        ],
        "requests": [request.as_json() for request in requests[-_SHOWN_REQUESTS:]],
        "request_count": len(requests),
        "refused_count": sum(request.status not in {None, 200} for request in requests),
        "faults": sandbox.faults.as_json(),
    }


def _get_faults(sandbox: Play, _query: Query, _: Values) -> object:
    return {"faults": sandbox.faults.as_json()}


def _add_fault(sandbox: Play, _query: Query, values: Values) -> object:
    fault = read_fault(values)
    sandbox.faults.add(fault)
    return {"fault": fault.as_json()}


def _clear_faults(sandbox: Play, _query: Query, _: Values) -> object:
    sandbox.clear_faults()
    return {"faults": []}


def _set_chat(sandbox: Play, _query: Query, values: Values) -> object:
    chat_id, status = values.get("chat_id", ""), str(values.get("status", "ok"))
    moved, title = values.get("migrate_to", ""), str(values.get("title", ""))
    chat = sandbox.set_chat(str(chat_id), status, migrate_to=str(moved), title=title)
    return {"chat": {**chat.as_json(), "status": chat.status}}


def _add_update(sandbox: Play, _query: Query, values: Values) -> object:
    thread = values.get("message_thread_id")
    if thread is not None and not isinstance(thread, int):
        raise BadRequest(f"message_thread_id: {thread!r} is not a number.")
    text = str(values.get("text", "/start"))
    sandbox.receive(str(values.get("chat_id", "")), text, thread_id=thread)
    return {"ok": True}


def _get_limits(sandbox: Play, _query: Query, _: Values) -> object:
    return {"limits": sandbox.limits.rates}


def _set_limits(sandbox: Play, query: Query, values: Values) -> object:
    if unknown := values.keys() - sandbox.limits.rates.keys():
        raise BadRequest(f"{min(unknown)}: known limits are {', '.join(sandbox.limits.rates)}.")
    sandbox.set_limits(**{name: _rate(name, value) for name, value in values.items()})
    return _get_limits(sandbox, query, values)


def _rate(name: str, value: object) -> tuple[int, float] | None:
    match value:
        case None:
            return None
        case [int(count), int() | float() as seconds] if count >= 1 and seconds > 0:
            return count, float(seconds)
    raise BadRequest(f"{name}: {value!r} is neither [count, seconds] nor null.")


def _reset(sandbox: Play, _query: Query, _: Values) -> object:
    sandbox.reset()
    return {"ok": True}


_ACTIONS: dict[tuple[str, str], Callable[[Play, Query, Values], object]] = {
    ("GET", "messages"): _messages,
    ("GET", "requests"): _requests,
    ("GET", "page"): _page,
    ("GET", "faults"): _get_faults,
    ("POST", "faults"): _add_fault,
    ("DELETE", "faults"): _clear_faults,
    ("POST", "chats"): _set_chat,
    ("POST", "updates"): _add_update,
    ("GET", "limits"): _get_limits,
    ("POST", "limits"): _set_limits,
    ("POST", "reset"): _reset,
}
