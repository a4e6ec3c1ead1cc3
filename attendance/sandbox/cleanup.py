"""What Telegram does to a text after parsing: controls, trimming, and its limits."""

import re

from attendance.telegram.markdown.entities import Entity, Formatted, sorted_entities, utf16_length

MAX_ENTITIES = 100

_REMOVED = frozenset("\r\u0333\u033f\u030a" + "".join(map(chr, range(0x2028, 0x202F))))
_TRIMMED = " \n"
# Characters that alone make no message: spaces of all widths, joiners, marks, blank Braille.
_BLANK = re.compile(
    "[ \n\u00a0\u1680\u180e\u2000-\u200f\u202e\u202f\u205f\u2800\u3000\ufeff\ufffc"
    "\U000e0000-\U000e007f]*"
)
_DIRECTION_MARKS = re.compile("[\u200e\u200f]+(?=[\u200e\u200f])")


def clean(parsed: Formatted) -> Formatted:
    """Return the text as it is stored and shown: an empty one if nothing visible is left."""
    cleaned = [_clean(character) for character in parsed.text]
    text = "".join(cleaned)
    offsets = _offsets(parsed.text, cleaned)
    entities = [_between(e, offsets[e.offset], offsets[e.end]) for e in parsed.entities]
    trimmed = _trim(text, [entity for entity in entities if entity.length > 0])
    if _BLANK.fullmatch(trimmed.text):
        return Formatted("")
    joined = _DIRECTION_MARKS.sub(lambda marks: "\u200c" * len(marks[0]), trimmed.text)
    return Formatted(joined, trimmed.entities[:MAX_ENTITIES])


def _clean(character: str) -> str:
    if character in _REMOVED:
        return ""
    return " " if character < " " and character != "\n" else character


def _offsets(before: str, after: list[str]) -> dict[int, int]:
    """Map UTF-16 offsets in the parsed text to those in the cleaned one."""
    offsets, old, new = {0: 0}, 0, 0
    for character, kept in zip(before, after, strict=True):
        old += utf16_length(character)
        new += utf16_length(kept)
        offsets[old] = new
    return offsets


def _trim(text: str, entities: list[Entity]) -> Formatted:
    """Cut blanks off both ends; those in front stay where an entity begins with them."""
    text = text.rstrip(_TRIMMED)
    end = utf16_length(text)
    kept = [_between(e, e.offset, min(e.end, end)) for e in entities if e.offset < end]
    first = min((entity.offset for entity in kept), default=end)
    cut = min(len(text) - len(text.lstrip(_TRIMMED)), first)
    shifted = [_between(entity, entity.offset - cut, entity.end - cut) for entity in kept]
    return Formatted(text[cut:], sorted_entities(shifted))


def _between(entity: Entity, begin: int, end: int) -> Entity:
    return Entity(entity.type, begin, end - begin, entity.details)
