"""Merge several messages into one, a line each, within what Telegram takes.

May import this package.
"""

import re
from collections.abc import Sequence

from attendance.telegram.markdown.text import clean, plain

# Telegram takes 4,096 code points after parsing, of which the reference line needs some. Past 100
# entities it silently drops formatting, and addresses, mentions and more count, which it finds
# by itself.
LONGEST_TEXT = 4000
MOST_LINES = 90
MOST_ENTITIES = 90

_MARK = re.compile(r"\\.|(?P<mark>[*_~|`\[\]])", re.DOTALL)
# What Telegram may take for a mention, a hashtag, a command, a sum of money, or an address.
_FOUND_BY_TELEGRAM = re.compile(r"[@#/$]\w|\w\.\w|://")


def merge(lines: Sequence[str]) -> tuple[int, str]:
    """Return how many of `lines` of markup, from the first on, fit into one message, and its text.

    At least one does, if there is one.
    """
    taken: list[str] = []
    length = entities = 0
    for line in lines[:MOST_LINES]:
        shown = plain(clean(line))
        length += len(shown) + 1
        entities += _entities(line, shown)
        # The first line is taken whatever its length: left out, it would never be sent.
        if taken and (length > LONGEST_TEXT or entities > MOST_ENTITIES):
            break
        taken.append(line)
    return len(taken), "\n".join(taken)


def _entities(line: str, shown: str) -> int:
    """Return the most entities that it can have: each of ours takes two marks or more."""
    marks = sum(found["mark"] is not None for found in _MARK.finditer(line))
    return marks // 2 + len(_FOUND_BY_TELEGRAM.findall(shown))
