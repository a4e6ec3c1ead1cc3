"""Formatted text as the Bot API has it: plain text, and entities that count UTF-16 units."""

from collections.abc import Mapping
from dataclasses import dataclass, field

_SORTED_FIRST = (
    *("blockquote", "expandable_blockquote", "pre", "code", "date_time"),
    *("text_link", "text_mention", "bold", "italic", "underline", "strikethrough", "spoiler"),
    "custom_emoji",
)


@dataclass(frozen=True, slots=True)
class Entity:
    """A stretch of formatted text: `offset` and `length` count UTF-16 units.

    `type` is the Bot API's name; `details` are its further fields, such as `url` or `language`.
    """

    type: str
    offset: int
    length: int
    details: Mapping[str, object] = field(default_factory=dict)

    @property
    def end(self) -> int:
        return self.offset + self.length

    def as_json(self) -> dict[str, object]:
        return {"type": self.type, "offset": self.offset, "length": self.length, **self.details}


@dataclass(frozen=True, slots=True)
class Formatted:
    """Plain text and its entities, sorted as Telegram sorts them."""

    text: str
    entities: tuple[Entity, ...] = ()


def utf16_length(text: str) -> int:
    """Return the length in UTF-16 units, in which entities count."""
    return len(text) + sum(character > "\uffff" for character in text)


def sorted_entities(entities: list[Entity]) -> tuple[Entity, ...]:
    """Sort outer entities before inner ones; those of one stretch have a fixed order."""

    def rank(entity: Entity) -> tuple[int, int, int, bool]:
        kind = max(_SORTED_FIRST.index(entity.type), 1)  # both quotes rank alike
        kind = 5 if entity.type == "text_mention" else kind  # as a text_link
        return entity.offset, -entity.length, kind, "language" not in entity.details

    return tuple(sorted(entities, key=rank))
