"""Message texts as people configure them: MarkdownV2 with {fields}, which are escaped here.

May import `markup`, which refuses what Telegram's own parser refuses, and `text`.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from itertools import product

from attendance.telegram.markdown.markup import MarkupError, parse
from attendance.telegram.markdown.text import clean, escape

LONGEST = 3000
"""Characters of a template: Telegram takes 4,096 of a message, and the fields need some."""

_INVISIBLE = "\u200b"
"""Stands for an empty field: without it, the marks on both sides could join into another mark."""

_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_PART = re.compile(
    r"(?P<opening>\{\{|\\\{)|(?P<closing>\}\}|\\\})|\{(?P<field>\w*)\}|(?P<stray>[{}])"
    r"|(?P<literal>(?:\\[^{}]|[^{}\\]|\\$)+)",
    re.DOTALL,
)
_FIELD_IN_EMOJI = re.compile(r"(?<!\\)!\[(?:\\.|[^\]\\])*\]\((?:\\.|[^)\\])*?\{\w", re.DOTALL)

_Part = tuple[str, str | None]
"""Markup, and the field that follows it."""

_Line = tuple[_Part, ...]


class BadTemplate(ValueError):
    """Telegram would refuse the text; the message follows the template's name."""


class Template:
    """A text such as `*{person}* {words}`, in which `\\n` is a line break and `{{` a brace.

    A line whose fields are all empty is left out, unless an entity goes on beyond it. Whatever the
    fields hold, the result is markup that Telegram takes.
    """

    def __init__(self, text: str, fields: Collection[str]) -> None:
        """Read and check `text`. Raises BadTemplate for too long a text, an unknown field, a field
        in an emoji's address, a single brace, or broken markup."""
        if len(text) > LONGEST:
            raise BadTemplate(f"has more than {LONGEST} characters: shorten it.")
        if _FIELD_IN_EMOJI.search(text):
            raise BadTemplate("has a field in the address of an emoji: write the address out.")
        broken = _ESCAPED.sub(lambda pair: "\n" if pair[1] == "n" else pair[0], text)
        self._lines = [tuple(_parts(line)) for line in broken.split("\n")]
        self._optional = {line for line in self._lines if _may_be_left_out(line)}
        used = {field for line in self._lines for _, field in line if field is not None}
        _check_names(used, fields)
        self._check_markup(sorted(used))

    def render(self, values: Mapping[str, str | None]) -> str:
        """Return the markup, each field replaced by its value; empty if no line is left."""
        shown = {name: _shown(value) for name, value in values.items()}
        return "\n".join(
            _filled(line, shown)
            for line in self._lines
            if line not in self._optional or any(shown[field] for _, field in line if field)
        )

    def _check_markup(self, used: list[str]) -> None:
        """Parse it with the fields filled and empty, in all combinations: only that matters."""
        for chosen in product(("x", ""), repeat=len(used)):
            values = dict(zip(used, chosen, strict=True))
            try:
                parse(self.render(values))
            except MarkupError as error:
                empty = " and ".join(f"{{{name}}}" for name, value in values.items() if not value)
                when = f", where {empty} is empty" if empty else ""
                raise BadTemplate(
                    f"is refused by Telegram{when} ({error}): put a backslash before what is to "
                    "be shown as it is, and close what is opened."
                ) from None


def _parts(line: str) -> Iterator[_Part]:
    markup = ""
    for found in _PART.finditer(line):
        match found.lastgroup:
            case "opening" | "closing":
                markup += f"\\{found[0][-1]}"
            case "literal":
                markup += found[0]
            case "field" if found["field"]:
                yield markup, found["field"]
                markup = ""
            case _:
                raise BadTemplate("has a brace that stands alone: write {{ or }} to show one.")
    yield markup, None


def _check_names(used: Collection[str], fields: Collection[str]) -> None:
    unknown = sorted(set(used) - set(fields))
    if unknown:
        known = " ".join(f"{{{name}}}" for name in fields)
        raise BadTemplate(f"has {{{unknown[0]}}}, which is no field: there are {known}.")


def _shown(value: str | None) -> str:
    """Escape a value, its line breaks too: an escaped one does not end a quotation."""
    return escape(clean(value or "").strip()).replace("\n", "\\\n")


def _filled(line: _Line, shown: Mapping[str, str]) -> str:
    return "".join(markup + (shown[field] or _INVISIBLE if field else "") for markup, field in line)


def _may_be_left_out(line: _Line) -> bool:
    """Tell whether a line has fields, and is whole in itself."""
    fields = {field for _, field in line if field}
    try:
        parse(_filled(line, dict.fromkeys(fields, "x")))
    except MarkupError:
        return False
    return bool(fields)
