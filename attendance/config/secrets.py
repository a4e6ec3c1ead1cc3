"""Hold secrets so that they do not print, and strike them out wherever they turn up.

Imports nothing of ours. Whatever leaves the process as text (a log line, a row, an answer) passes
`redact` first.
"""

import re
from urllib.parse import quote

_MASK = "[secret]"
_SHORTEST_STRUCK = 8  # characters; shorter ones would be struck out of ordinary words, too
_PATTERNS = re.compile(
    r"(?<!\d)\d{5,}(?::|%3[Aa])[A-Za-z0-9_-]{16,}"  # a Telegram bot token, also percent-encoded
    r"|\batt_[A-Za-z0-9_-]{20,}"  # an API key of ours
)
_PASSWORD_IN_URL = re.compile(r"(://[^:/@]*:).*(?=@)|([?&]\w*password=)[^&]*", re.DOTALL)
_AFTER_A_COLON = re.compile(":[A-Za-z0-9_-]{16}")
"""What the patterns need besides `att_` and `%3`, found in a twentieth of their time: every request
is redacted, and almost none holds a secret."""

_known: set[str] = set()


class Secret:
    """A value that prints as a mask, and is struck out of every text from then on."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value
        _known.update(_forms_of(value))

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return f"Secret({_MASK})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)


def redact(text: str) -> str:
    """Return `text` with every known secret, and whatever looks like one of ours, struck out."""
    # The longest first: one secret may be a part of another.
    for value in sorted(_known, key=len, reverse=True):
        text = text.replace(value, _MASK)
    if "att_" in text or "%3" in text or _AFTER_A_COLON.search(text):
        text = _PATTERNS.sub(_MASK, text)
    return text


def without_passwords(word: str) -> str:
    """Return a URL with its password struck out, whatever the password holds. Of a sentence more
    than the password may go, never less."""
    return _PASSWORD_IN_URL.sub(lambda found: f"{found[1] or found[2]}{_MASK}", word)


def _forms_of(value: str) -> set[str]:
    """Return each form in which the value may turn up: plain, percent-encoded, a token's part
    after the colon."""
    parts = {value, quote(value, safe=""), value.rpartition(":")[2]}
    return {part for part in parts if len(part) >= _SHORTEST_STRUCK}
