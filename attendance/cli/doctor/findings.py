"""What the doctor finds, one line each."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Finding:
    """`state` is `ok`, `warn` (works, but look at it) or `fail`; `remedy` says what to do."""

    state: Literal["ok", "warn", "fail"]
    subject: str
    found: str
    remedy: str = ""


Findings = Iterator[Finding]
