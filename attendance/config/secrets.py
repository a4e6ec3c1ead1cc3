"""Hold secrets so that they do not print, and strike them out wherever they turn up.

Imports nothing of ours. Whatever leaves the process as text (a log line, a row, an answer) passes
`redact` first, and JSON `redact_json`; what somebody typed passes `without_passwords` or
`command_line`, which strike out more: such a row is sealed, and stays.
"""

import re
import shlex
from collections.abc import Sequence
from urllib.parse import quote

_MASK = "[secret]"
_SHORTEST_STRUCK = 8  # characters; shorter ones would be struck out of ordinary words, too
_PATTERNS = re.compile(
    r"(?<!\d)\d{5,}(?::|%3[Aa])[A-Za-z0-9_-]{16,}"  # a Telegram bot token, also percent-encoded
    r"|\batt_[A-Za-z0-9_-]{20,}"  # an API key of ours
)
_AFTER_A_COLON = re.compile(":[A-Za-z0-9_-]{16}")
"""What the patterns need besides `att_` and `%3`, found in a twentieth of their time: every request
is redacted, and almost none holds a secret."""

_NAMES = r"(?:pass(?:word|wd|phrase|code)|pwd|secret|token|(?:api|hmac|secret|signing)[_-]?key)"
"""How the name of a secret ends, in any case: `password` (of libpq's form, too), `PGPASSWORD`,
`TELEGRAM_BOT_TOKEN`, `--api-key`. What `_FILE` follows is a path, and no secret."""

_UNSTRUCK = r"(?!\[secret\])"
_QUOTED = r"'(?:\\.|[^'\\])*'?|\"(?:\\.|[^\"\\])*\"?|\\."
_ESCAPED = r"(?:\\{2}(?:\\.|[^\"\\])|\\.)"
_ASSIGNED = rf"({_NAMES}\s*=\s*+){_UNSTRUCK}"
_NAMED = re.compile(rf"{_ASSIGNED}(?:{_QUOTED}|[^\s'\"])+", re.IGNORECASE | re.DOTALL)
_NAMED_IN_JSON = re.compile(
    # Within a JSON string, which a quote without a backslash ends: all escapes are doubled.
    rf"{_ASSIGNED}(?:'(?:{_ESCAPED}|[^'\"\\])*'?|\\\"(?:(?!\\\"){_ESCAPED}|[^\"\\])*(?:\\\")?"
    rf"|{_ESCAPED}|[^\s\"'\\])+",
    re.IGNORECASE,
)
_NAMED_TO_THE_NEXT = re.compile(
    # An unquoted value with blanks in it is a mistake, and still somebody's password.
    rf"{_ASSIGNED}(?:{_QUOTED}|[^\s'\"]|\s(?!\s*\w+\s*=))+",
    re.IGNORECASE | re.DOTALL,
)
_OPTION = re.compile(rf"(?<![\w-])--?[\w-]{{0,40}}?{_NAMES}", re.IGNORECASE)
_OPTION_WITH_VALUE = re.compile(
    rf"({_OPTION.pattern}\s++){_UNSTRUCK}(?:{_QUOTED}|[^\s'\"])+", re.IGNORECASE | re.DOTALL
)
_IN_URL = re.compile(r'(://[^\s:/@"]{0,64}:)[^\s"]{0,256}(?=@)')
_USER_IN_URL = re.compile(r"://[^:/@]*:")
_IN_QUERY = re.compile(r"([?&]\w*password=)[^&]*")

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
    """Return `text` with every known secret struck out, whatever looks like one of ours, and
    whatever is called a password or the like: `password=…`, `scheme://user:…@host`."""
    return _redact(text, _NAMED)


def redact_json(text: str) -> str:
    """Do the same to the strings of a JSON text, which stays JSON."""
    return _redact(text, _NAMED_IN_JSON)


def without_passwords(text: str) -> str:
    """Do the same to what somebody typed, or to a sentence that quotes it: a password goes whatever
    it holds, also where it follows an option. Of a sentence more may go, never less."""
    user, end = _USER_IN_URL.search(text), text.rfind("@")
    if user and user.end() <= end:
        text = f"{text[: user.end()]}{_MASK}{text[end:]}"
    text = _IN_QUERY.sub(_struck, text)
    text = _OPTION_WITH_VALUE.sub(_struck, _NAMED_TO_THE_NEXT.sub(_struck, text))
    return redact(text)


def command_line(words: Sequence[str]) -> str:
    """Return a command as it was typed, each of its words without passwords."""
    after_option = (False, *(_OPTION.fullmatch(word) is not None for word in words))
    return shlex.join(
        _MASK if hidden else without_passwords(word)
        for word, hidden in zip(words, after_option, strict=False)
    )


def _redact(text: str, named: re.Pattern[str]) -> str:
    # The longest first: one secret may be a part of another.
    for value in sorted(_known, key=len, reverse=True):
        text = text.replace(value, _MASK)
    if "att_" in text or "%3" in text or _AFTER_A_COLON.search(text):
        text = _PATTERNS.sub(_MASK, text)
    if "://" in text:
        text = _IN_URL.sub(_struck, text)
    return named.sub(_struck, text) if "=" in text else text


def _struck(found: re.Match[str]) -> str:
    return f"{found[1]}{_MASK}"


def _forms_of(value: str) -> set[str]:
    """Return each form in which the value may turn up: plain, percent-encoded, a token's part
    after the colon."""
    parts = {value, quote(value, safe=""), value.rpartition(":")[2]}
    return {part for part in parts if len(part) >= _SHORTEST_STRUCK}
