"""Several messages merged into one, a line each, within what Telegram takes.

May import its neighbours in this package.
"""

from collections.abc import Sequence

from attendance.telegram.markdown import plain

# 4,096 code points after parsing, less the reference line; past 100 entities Telegram drops
# formatting without a word. A line of ours has one entity, and addresses that it finds by itself.
LONGEST_TEXT = 4000
MOST_LINES = 90


def merge(lines: Sequence[str]) -> tuple[int, str]:
    """How many of these lines of markup, from the first on, fit into one message, and its text."""
    taken: list[str] = []
    length = 0
    for line in lines[:MOST_LINES]:
        length += len(plain(line)) + 1
        if taken and length > LONGEST_TEXT:
            break
        taken.append(line)
    return len(taken), "\n".join(taken)
