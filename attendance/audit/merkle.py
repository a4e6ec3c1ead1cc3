"""RFC 6962's tree over hashes of leaves. Pure functions."""

import hashlib
from collections.abc import Iterable

_NODE = b"\x01"
EMPTY = hashlib.sha256().digest()
"""The root of a tree without leaves."""


def root(leaves: Iterable[bytes]) -> bytes:
    """Compute the root over the leaves' hashes, in memory that grows with the logarithm of their
    number."""
    peaks: list[tuple[int, bytes]] = []  # full trees, each smaller than the one to its left
    for leaf in leaves:
        height, right = 0, leaf
        while peaks and peaks[-1][0] == height:
            right = node(peaks.pop()[1], right)
            height += 1
        peaks.append((height, right))
    return _joined(peaks) if peaks else EMPTY


def node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(_NODE + left + right).digest()


def _joined(peaks: list[tuple[int, bytes]]) -> bytes:
    """Compute the root above full trees of falling size."""
    joined = peaks[-1][1]
    for _, left in reversed(peaks[:-1]):
        joined = node(left, joined)
    return joined
