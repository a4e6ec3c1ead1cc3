"""Keep what steers a terminal away from it: much of what is shown was written by clients.

Controls of both kinds (C0 and C1: U+009B begins a command as ESC [ does) and the marks that turn
the direction of writing, which make a text read as another. Imports nothing of ours.
"""

import re
from typing import Any, TextIO

_REPLACEMENT = "\ufffd"
_STEERING = "\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069"
_IN_TEXT = re.compile(rf"[{_STEERING}]|\r(?!\n)")
_IN_JSON = re.compile(r"[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def harmless(text: str) -> str:
    """Return `text` with each mark that steers replaced; lines and tabs stay."""
    return text if text.isprintable() else _IN_TEXT.sub(_REPLACEMENT, text)


def escaped(json_text: str) -> str:
    r"""Return the same JSON, with such marks written as `\u009b`: JSON itself escapes only C0."""
    if json_text.isascii() and "\x7f" not in json_text:
        return json_text
    return _IN_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", json_text)


class HarmlessStream:
    """A text stream to a terminal that writes only what is harmless. What a program of ours is to
    steer the terminal with goes to `steering`, the stream itself."""

    def __init__(self, steering: TextIO) -> None:
        self.steering = steering

    def write(self, text: str) -> int:
        return self.steering.write(harmless(text))

    def writelines(self, lines: Any) -> None:
        self.steering.writelines(map(harmless, lines))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.steering, name)
