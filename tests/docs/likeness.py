"""Whether an answer is the one that a page shows: numbers, times, ids and spaces may differ, and
`…` on the page stands for whatever was left out."""

import re

_SAME = (
    (re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|\+00:00)?"), "TIME"),
    (re.compile(r"\b[0-9a-f]{16,}\b"), "HEX"),
    (re.compile(r"\d[\d,.]*(?<=\d)"), "0"),
    (re.compile(r"\s+"), ""),
)


def is_like(answer: str, shown: str) -> bool:
    parts = [re.escape(_plain(part)) for part in shown.split("…")]
    return re.fullmatch(".*".join(parts), _plain(answer), re.DOTALL) is not None


def _plain(text: str) -> str:
    for form, same in _SAME:
        text = form.sub(same, text)
    return text
