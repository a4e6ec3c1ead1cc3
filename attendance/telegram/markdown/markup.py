"""Read MarkdownV2 as Telegram's own parser does, with its messages for what it refuses."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from attendance.telegram.markdown import links
from attendance.telegram.markdown.entities import Entity, Formatted, sorted_entities

RESERVED = frozenset("_*[]()~`>#+-=|{}.!\n")
_SPACES = frozenset(" \t\r\n\0\v")


class MarkupError(Exception):
    """The text breaks a rule of MarkdownV2; the message is Telegram's, without its prefix."""


class Kind(Enum):
    """Kinds of entity, by the names that Telegram's messages use."""

    BOLD = "Bold"
    ITALIC = "Italic"
    UNDERLINE = "Underline"
    STRIKETHROUGH = "Strikethrough"
    SPOILER = "Spoiler"
    CODE = "Code"
    PRE = "Pre"
    PRE_CODE = "PreCode"
    TEXT_URL = "TextUrl"
    CUSTOM_EMOJI = "CustomEmoji"
    BLOCK_QUOTE = "BlockQuote"


_CLOSED_BY = {
    Kind.BOLD: "*",
    Kind.ITALIC: "_",
    Kind.UNDERLINE: "__",
    Kind.STRIKETHROUGH: "~",
    Kind.SPOILER: "||",
    Kind.CODE: "`",
    Kind.PRE: "```",
    Kind.PRE_CODE: "```",
    Kind.TEXT_URL: "]",
    Kind.CUSTOM_EMOJI: "]",
}
# The longest opening first: the shorter ones are what longer ones begin with.
_OPENED_BY = (
    ("```", Kind.PRE),
    ("__", Kind.UNDERLINE),
    ("||", Kind.SPOILER),
    ("![", Kind.CUSTOM_EMOJI),
    ("`", Kind.CODE),
    ("_", Kind.ITALIC),
    ("*", Kind.BOLD),
    ("~", Kind.STRIKETHROUGH),
    ("[", Kind.TEXT_URL),
)
_VERBATIM = frozenset({Kind.CODE, Kind.PRE, Kind.PRE_CODE})


def parse(source: str) -> Formatted:
    """Read `source` as MarkdownV2. Raises MarkupError in Telegram's words."""
    return _Parser(source).parse()


@dataclass(frozen=True, slots=True)
class _Open:
    """An entity that has begun: where in the source, in the output and in UTF-16 units."""

    kind: Kind
    source_at: int
    output_at: int
    offset: int
    language: str = ""


class _Parser:
    """One pass over the source, with a stack of the entities that are open."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.at = 0
        self.output: list[str] = []
        self.offset = 0
        self.open: list[_Open] = []
        self.entities: list[Entity] = []
        self.in_quote = False
        self.may_quote = True

    def parse(self) -> Formatted:
        while self.at < len(self.source):
            self._step(self.source[self.at])
        self._end_quote_with_text()
        if self.open:
            raise self._unclosed()
        return Formatted("".join(self.output), sorted_entities(self.entities))

    def _step(self, character: str) -> None:
        verbatim = bool(self.open) and self.open[-1].kind in _VERBATIM
        if character == "\\" and "\0" < self._next() <= "~":
            self._take_escaped(self._next())
        elif character not in ("`" if verbatim else RESERVED):
            self._take_plain(character)
        elif self._ends_line_of_quote(character):
            self._end_quote()
        elif self._ends_entity():
            self._end_entity(self.open.pop())
        else:
            self._begin(character)

    def _next(self, distance: int = 1) -> str:
        """Return the character `distance` ahead; past the end a NUL, as in a C string."""
        at = self.at + distance
        return self.source[at] if at < len(self.source) else "\0"

    def _emit(self, character: str) -> None:
        self.output.append(character)
        self.offset += 1 + (character > "\uffff")
        self.at += 1

    def _take_escaped(self, character: str) -> None:
        self.at += 1
        self._emit(character)
        if character != "\r":  # Telegram removes it later: it is neither text nor a new line
            self.may_quote = character == "\n"

    def _take_plain(self, character: str) -> None:
        self._emit(character)
        if character != "\r":
            self.may_quote = False

    def _begin(self, character: str) -> None:
        for opening, kind in _OPENED_BY:
            if self.source.startswith(opening, self.at):
                self._begin_entity(kind, opening)
                return
        if character == "\n":
            self._emit("\n")
            self.may_quote = True
        elif character == ">" and self.may_quote:
            self._begin_or_continue_quote()
        else:
            raise MarkupError(
                f"Character '{character}' is reserved and must be escaped with the preceding '\\'"
            )

    def _begin_entity(self, kind: Kind, opening: str) -> None:
        begins, language = self.at, ""
        self.at += len(opening)
        if kind is Kind.PRE:
            language = self._take_language()
            self._skip_line_break()
        kind = Kind.PRE_CODE if language else kind
        self.open.append(_Open(kind, begins, len(self.output), self.offset, language))

    def _take_language(self) -> str:
        end = self.at
        while end < len(self.source) and self.source[end] not in _SPACES | {"`"}:
            end += 1
        if end == len(self.source) or self.source[end] == "`":
            return ""
        language, self.at = self.source[self.at : end], end
        return language

    def _skip_line_break(self) -> None:
        if self._next(0) in "\r\n":
            pair = self._next() in "\r\n" and self._next() != self._next(0)
            self.at += 2 if pair else 1

    def _begin_or_continue_quote(self) -> None:
        if not self.in_quote:
            self.in_quote = True
            self.open.append(_Open(Kind.BLOCK_QUOTE, self.at, len(self.output), self.offset))
        self.at += 1

    def _ends_line_of_quote(self, character: str) -> bool:
        return self.in_quote and character == "\n" and self._next() != ">"

    def _ends_entity(self) -> bool:
        if not self.open or self.open[-1].kind is Kind.BLOCK_QUOTE:
            return False
        if self.open[-1].kind is Kind.ITALIC:
            return self._next(0) == "_" and self._next() != "_"  # two are an underline's
        return self.source.startswith(_CLOSED_BY[self.open[-1].kind], self.at)

    def _end_quote(self) -> None:
        """End the quote at its line's end; an empty spoiler right before that folds it."""
        folded = self.open[-1].kind is Kind.SPOILER and self._spoiler_ends_line(self.open[-1])
        if folded:
            self.open.pop()
        if self.open[-1].kind is not Kind.BLOCK_QUOTE:
            raise self._unclosed()
        self._emit("\n")
        self.in_quote, self.may_quote = False, True
        self._add(self.open.pop(), "expandable_blockquote" if folded else "blockquote")

    def _spoiler_ends_line(self, spoiler: _Open) -> bool:
        return self.source[spoiler.source_at : self.at] in {"||", "||\r"}

    def _end_quote_with_text(self) -> None:
        if not self.in_quote:
            return
        last = self.open[-1]
        folded = last.kind is Kind.SPOILER and last.source_at == len(self.source) - 2
        if folded:
            self.open.pop()
        if self.open[-1].kind is Kind.BLOCK_QUOTE:
            quote = self.open.pop()
            self._add(quote, "expandable_blockquote" if folded else "blockquote")

    def _end_entity(self, entity: _Open) -> None:
        match entity.kind:
            case Kind.TEXT_URL:
                self._end_link(entity)
            case Kind.CUSTOM_EMOJI:
                self._end_custom_emoji(entity)
            case Kind.PRE | Kind.PRE_CODE:
                self.at += 3
                language = {"language": entity.language} if entity.language else {}
                self._add(entity, "pre", language)
            case kind:
                self.at += len(_CLOSED_BY[kind])
                self._add(entity, kind.value.lower())

    def _end_link(self, entity: _Open) -> None:
        if self._next() == "(":
            url = self._take_url()
        else:  # the words are the address
            url = "".join(self.output[entity.output_at :])
            self.at += 1
        user, link = links.user_id(url), links.checked_link(url)
        if user is not None:
            self._add(entity, "text_mention", {"user": {"id": user}})
        elif link is not None:
            self._add(entity, "text_link", {"url": link})

    def _end_custom_emoji(self, entity: _Open) -> None:
        if self._next() != "(":
            raise MarkupError("The entity must contain a tg://emoji or tg://time URL")
        url = self._take_url()
        emoji, time = links.custom_emoji_id(url), links.date_time(url)
        if emoji is None and time is None:
            raise MarkupError("Invalid tg://emoji or tg://time URL specified")
        if emoji is not None:
            self._add(entity, "custom_emoji", {"custom_emoji_id": emoji})
        else:
            self._add(entity, "date_time", time)

    def _take_url(self) -> str:
        """Read a URL, from `](` past the closing `)`; a backslash keeps any ASCII character."""
        self.at += 2
        begins, url = self.at, ""
        while self.at < len(self.source) and self._next(0) != ")":
            escaped = self._next(0) == "\\" and "\0" < self._next() <= "~"
            url += self._next(int(escaped))
            self.at += 1 + escaped
        if self._next(0) != ")":
            raise MarkupError(f"Can't find end of a URL at byte offset {self._bytes(begins)}")
        self.at += 1
        return url

    def _add(self, entity: _Open, name: str, details: Mapping[str, object] | None = None) -> None:
        """Add an entity that ends here, unless it is empty."""
        length = self.offset - entity.offset
        if length:
            self.entities.append(Entity(name, entity.offset, length, details or {}))

    def _unclosed(self) -> MarkupError:
        last = self.open[-1]
        at = self._bytes(last.source_at)
        return MarkupError(f"Can't find end of {last.kind.value} entity at byte offset {at}")

    def _bytes(self, at: int) -> int:
        return len(self.source[:at].encode())
