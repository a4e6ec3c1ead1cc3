"""Write MarkdownV2, as far as our messages need it. May import nothing of ours.

Text becomes markup by `escape`, `code`, `bold` and `link` alone, so that no name or note can break
a message. Cut plain text first, then escape it: cut markup is no longer markup.
"""

import re
import unicodedata

ELLIPSIS = "…"

_SPECIAL = re.compile(r"[_*\[\]()~`>#+\-=|{}.!\\]")
_SPECIAL_IN_CODE = re.compile(r"[`\\]")
_SPECIAL_IN_ADDRESS = re.compile(r"[)\\]")

# What Telegram does to a text that arrives is done here, so that what we store is what people see.
_BECOMES_SPACE = re.compile(r"[\x00-\x09\x0b\x0c\x0e-\x1f]")
_VANISHES = re.compile("[\r\u2028-\u202e\ud800-\udfff]")
_VANISHING_MARKS = re.compile("[\u030a\u0333\u033f]")

_ESCAPED = re.compile(r"\\([\x01-\x7e])")
_MARKUP = re.compile(
    r"\\(?P<escaped>[\x01-\x7e])"
    r"|`(?P<code>(?:\\.|[^`\\])*)`"
    r"|\[(?P<linked>(?:\\.|[^\]\\])*)\]\((?:\\.|[^)\\])*\)"
    r"|\*(?P<bold>(?:\\.|[^*\\])*)\*",
    re.DOTALL,
)


def escape(text: str) -> str:
    """Return markup that shows `clean(text)` and nothing else."""
    return _SPECIAL.sub(r"\\\g<0>", clean(text))


def bold(text: str) -> str:
    """Return markup that shows plain `text` in bold; empty if there is nothing to show."""
    return f"*{escape(text)}*" if clean(text) else ""


def code(text: str) -> str:
    """Return markup that shows plain `text` in fixed width, which people copy by a tap."""
    return f"`{escape_code(text)}`" if clean(text) else ""


def link(text: str, address: str) -> str:
    """Return markup that shows plain `text` and leads to `address`."""
    return f"[{escape(text)}]({escape_link(address)})"


def escape_code(text: str) -> str:
    """Escape text for use between backticks."""
    return _SPECIAL_IN_CODE.sub(r"\\\g<0>", clean(text))


def escape_link(address: str) -> str:
    """Escape an address for use between a link's parentheses."""
    return _SPECIAL_IN_ADDRESS.sub(r"\\\g<0>", clean(address))


def clean(text: str) -> str:
    """Return `text` as Telegram would show it: composed (NFC), with no control but the newline.

    It is composed before the ring (U+030A) goes, since a decomposed "Å" would lose it, and again
    after, since what stood on both sides of a removed mark may compose.
    """
    if not text.isprintable():
        text = _VANISHES.sub("", _BECOMES_SPACE.sub(" ", text))
    if text.isascii():
        return text
    text = _VANISHING_MARKS.sub("", unicodedata.normalize("NFC", text))
    return unicodedata.normalize("NFC", text)


def printable(text: str) -> str:
    """Return `clean(text)` in one line that a terminal shows as it is, whoever wrote it."""
    return "".join(letter if letter.isprintable() else " " for letter in clean(text))


def plain(markup: str) -> str:
    """Return the text that `markup` of ours shows; in other markup, unpaired marks stay."""
    return _MARKUP.sub(_shown, markup)


def _shown(found: re.Match[str]) -> str:
    match found.lastgroup:
        case "escaped":
            return found["escaped"]
        case "code":
            return _ESCAPED.sub(r"\1", found["code"])  # a star in code is a star
        case _:
            return plain(found["linked"] or found["bold"] or "")


def cut(text: str, limit: int) -> str:
    """Return plain `text` in at most `limit` code points; if it is cut, it ends in ELLIPSIS."""
    return text if len(text) <= limit else text[: limit - len(ELLIPSIS)].rstrip() + ELLIPSIS
