"""The head of the seals as a few lines of text, in the form of C2SP's tlog-checkpoint.

    attendance-audit/HOST       the origin
    1234                        rows sealed
    BASE64                      the newest seal's hash, which stands for all before it

The third line is the head of a chain, and not of one tree over all rows. Pure functions.
"""

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """`hash` of the seal whose last leaf is `size`, in hexadecimal."""

    origin: str
    size: int
    hash: str

    @classmethod
    def of(cls, seal: Mapping[str, Any], host: str) -> "Checkpoint":
        name = re.sub(r"[\s+]", "-", host)
        return cls(f"attendance-audit/{name}", seal["last_seq"], seal["hash"])

    def __str__(self) -> str:
        encoded = base64.b64encode(bytes.fromhex(self.hash)).decode()
        return f"{self.origin}\n{self.size}\n{encoded}\n"


def read(text: str) -> list[Checkpoint]:
    """Read every checkpoint in `text`, whatever stands between them.

    Raises:
        ValueError: it holds no checkpoint.
    """
    found = list(_checkpoints([line.strip() for line in text.splitlines()]))
    if not found:
        raise ValueError("holds no checkpoint: give what `audit anchor` printed.")
    return found


def _checkpoints(lines: list[str]) -> Iterator[Checkpoint]:
    for origin, (size, encoded) in zip(lines, pairwise(lines[1:]), strict=False):
        digest = _digest(encoded)
        if origin and re.fullmatch("[1-9][0-9]{0,17}", size) and digest is not None:
            yield Checkpoint(origin, int(size), digest.hex())


def _digest(encoded: str) -> bytes | None:
    try:
        digest = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        return None
    return digest if len(digest) == 32 else None
