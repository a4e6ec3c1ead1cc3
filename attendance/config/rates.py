"""Rates as the operator writes them: `20/60s`, or `off`. Imports nothing of ours."""

import re
from dataclasses import dataclass

_RATE = re.compile(r"([1-9][0-9]{0,6})/([0-9]{1,5}(?:\.[0-9]{1,3})?)s")


@dataclass(frozen=True, slots=True)
class RateSetting:
    """At most `count` in any window of `seconds`, or in each: the setting's page says which."""

    count: int
    seconds: float

    def __str__(self) -> str:
        return f"{self.count}/{self.seconds:g}s"


def rate(text: str) -> RateSetting | None:
    """Read how many requests to Telegram may start."""
    return _parsed(text, most=9999, longest=3600)


def key_rate(text: str) -> RateSetting | None:
    """Read how many requests one key may make."""
    return _parsed(text, most=9_999_999, longest=86400)


def _parsed(text: str, *, most: int, longest: float) -> RateSetting | None:
    if text.lower() == "off":
        return None
    found = _RATE.fullmatch(text)
    if found is None or int(found[1]) > most or not 0 < float(found[2]) <= longest:
        raise ValueError(f"is {text!r}: give a count per seconds such as 20/60s, or off.")
    return RateSetting(int(found[1]), float(found[2]))
