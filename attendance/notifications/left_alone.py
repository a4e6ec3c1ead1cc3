"""Why a message that a person named was left alone: in the trail, in an answer, in a terminal."""

from collections.abc import Sequence

_NOT_RETRIED = {
    "pending": " already: it goes out by itself.",
    "sending": ": it is on its way already.",
    "sent": ": only what is failed, uncertain or cancelled can be retried.",
}
_NOT_CANCELLED = {
    "sending": ", on its way to Telegram: try again once that has ended.",
    "sent": " already: it cannot be called back.",
    "cancelled": " already.",
}
_ELSE = " now: try again."
"""It came to be so between the change and the look at what was left alone."""


def in_the_trail(status: str | None) -> str:
    """Return the audit row's reason; a status of None is that of no message."""
    return "There is no such message." if status is None else f"It is {status}."


def not_retried(message_id: int, status: str, to_resume: Sequence[str]) -> str:
    """Return the answer to a retry; `to_resume` says for which chats what is pending waits."""
    if status == "pending" and to_resume:
        return " ".join([f"Message {message_id} is pending already.", *to_resume])
    return f"Message {message_id} is {status}{_NOT_RETRIED.get(status, _ELSE)}"


def not_cancelled(message_id: int, status: str) -> str:
    """Return the answer to a cancellation."""
    return f"Message {message_id} is {status}{_NOT_CANCELLED.get(status, _ELSE)}"


def not_one_of(needed: Sequence[str], message_id: int, status: str | None) -> str:
    """Return the line for a terminal; `needed` are the statuses of which it had to have one."""
    if status is None:
        why = "does not exist"
    elif status in needed:
        why = f"is {status}, but not what the options ask for"
    else:
        why = f"is {status}, not {', '.join(needed[:-1])} or {needed[-1]}"
    return f"Message {message_id} {why}: left alone."
