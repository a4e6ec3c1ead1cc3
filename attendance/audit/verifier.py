"""Recompute seals and leaves in their order, wherever they are read from.

Knows no database: what it is given may be a trail or the archive of one.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from attendance.audit.checkpoint import Checkpoint
from attendance.audit.merkle import root
from attendance.audit.report import Report
from attendance.audit.seals import GENESIS, hash_of, key_id_of, mac_of
from attendance.config.secrets import Secret

_MOST_LEAVES = 100_000
_NUMBERS = ("id", "first_seq", "last_seq", "backlog")
_TEXTS = ("sealed_at", "root", "prev_hash", "hash")


class Leaf(NamedTuple):
    """`found` is the hash of the row as it is now, None if it is gone."""

    seq: int
    audit_id: int
    hash: str
    found: str | None


class Verifier:
    """Goes from one seal to the next. `seal_id`, `seq` and `prev_hash` are what is expected of the
    next one."""

    def __init__(self, report: Report, key: Secret | None, anchors: Iterable[Checkpoint]) -> None:
        self.report, self._key = report, key
        self._anchors = sorted(anchors, key=lambda anchor: -anchor.size)
        self._newest_signed = False
        self.seal_id, self.seq, self.prev_hash = 1, 1, GENESIS

    def begin_with(self, seal: Mapping[str, Any]) -> None:
        """Take this seal's word for its place: what comes before it is not looked at."""
        self.seal_id, self.seq, self.prev_hash = seal["id"], seal["first_seq"], seal["prev_hash"]

    def check(self, seal: Mapping[str, Any], under: list[Leaf]) -> None:
        """Check the next seal, and the leaves and rows under it."""
        name = f"seal {seal['id']}"
        self.report.seals += 1
        self.report.rows += len(under)
        if is_well_formed(seal):
            self._check_place(name, seal)
            self._check_hash(name, seal)
            self._check_anchors(name, seal)
            self._check_leaves(name, seal, under)
        else:
            self.report.add("seal_broken", f"{name} holds what no seal can")
        self.seal_id, self.prev_hash = seal["id"] + 1, seal["hash"]
        self.seq = under[-1].seq + 1 if under else self.seq

    def finish(self) -> None:
        """Report, after the newest seal, what should have been there and is not."""
        if self._key is not None and not self._newest_signed and self.report.seals:
            detail = f"seal {self.seal_id - 1}, the newest, was not signed with this AUDIT_HMAC_KEY"
            self.report.add("mac_invalid", detail)
        for anchor in self._anchors:
            detail = f"an anchor has {anchor.size} rows sealed, and here are {self.seq - 1}"
            self.report.add("truncated", detail)

    def leave(self) -> None:
        """Stop after a seal that others follow elsewhere: the anchors left over belong there."""
        self.report.anchors_beyond += len(self._anchors)

    def _check_place(self, name: str, seal: Mapping[str, Any]) -> None:
        if seal["id"] != self.seal_id:
            missing = _span("seal", self.seal_id, seal["id"] - 1)
            self.report.add("seal_broken", f"{missing} is missing before {name}")
        elif seal["prev_hash"] != self.prev_hash:
            self.report.add("seal_broken", f"{name} does not follow the seal before it")
        elif seal["first_seq"] != self.seq:
            detail = f"{name} begins with leaf {seal['first_seq']} instead of {self.seq}"
            self.report.add("seal_broken", detail)

    def _check_hash(self, name: str, seal: Mapping[str, Any]) -> None:
        digest = hash_of(seal)
        if digest != seal["hash"]:
            self.report.add("seal_broken", f"{name} does not have the hash of what it says")
        self._check_mac(name, seal, digest)

    def _check_mac(self, name: str, seal: Mapping[str, Any], digest: str) -> None:
        """Check the MAC, and remember whether it is one of our key."""
        # Older seals may have been signed with another key, or none. The newest may not: it speaks
        # for all before it.
        ours = self._key is not None and seal["key_id"] == key_id_of(self._key)
        self._newest_signed = ours
        if (seal["key_id"] is None) != (seal["mac"] is None):
            self.report.add("mac_invalid", f"{name} has a MAC without a key, or a key without one")
        elif ours and self._key is not None:
            self.report.macs_checked += 1
            if mac_of(self._key, digest) != seal["mac"]:
                self.report.add("mac_invalid", f"the MAC of {name} is not that of its key")
        elif seal["mac"] is not None:
            self.report.macs_unchecked += 1

    def _check_anchors(self, name: str, seal: Mapping[str, Any]) -> None:
        while self._anchors and self._anchors[-1].size <= seal["last_seq"]:
            anchor = self._anchors.pop()
            if anchor.size < seal["first_seq"]:
                self.report.anchors_uncovered += 1
            elif (anchor.size, anchor.hash) == (seal["last_seq"], seal["hash"]):
                self.report.anchors_matched += 1
            else:
                detail = f"{name} is not the one that an anchor has seen at {anchor.size} rows"
                self.report.add("fork", detail)

    def _check_leaves(self, name: str, seal: Mapping[str, Any], under: list[Leaf]) -> None:
        complete = self._is_complete(name, seal, under)
        if not complete or _root_of(leaf.hash for leaf in under) == seal["root"]:
            self._tell_rows(name, under)
        elif _root_of(leaf.found for leaf in under) == seal["root"]:
            changed = next(leaf.seq for leaf in under if leaf.hash != leaf.found)
            self.report.add("seal_broken", f"leaf {changed} under {name} was changed")
        else:
            self.report.add("seal_broken", f"{name} does not have the root of its leaves")
            self._tell_rows(name, under)

    def _is_complete(self, name: str, seal: Mapping[str, Any], under: list[Leaf]) -> bool:
        expected, complete = seal["first_seq"], True
        for seq in [*(leaf.seq for leaf in under), seal["last_seq"] + 1]:
            if seq != expected:
                complete = False
                missing = _span("leaf", expected, seq - 1)
                self.report.add("leaf_missing", f"{missing} is missing under {name}")
            expected = seq + 1
        return complete

    def _tell_rows(self, name: str, under: list[Leaf]) -> None:
        for leaf in under:
            row = f"row {leaf.audit_id} (leaf {leaf.seq}, {name})"
            if leaf.found is None:
                self.report.add("row_missing", f"{row} is gone")
            elif leaf.found != leaf.hash:
                self.report.add("row_modified", f"{row} is not what was sealed")


def is_well_formed(seal: Mapping[str, Any]) -> bool:
    """Tell whether the seal's columns have the right types, and a range that a seal may have: in
    SQLite any column can hold anything."""
    if not all(isinstance(seal[name], int) for name in _NUMBERS):
        return False
    if not all(isinstance(seal[name], str) for name in _TEXTS):
        return False
    first, last = int(seal["first_seq"]), int(seal["last_seq"])
    return 0 < first <= last < first + _MOST_LEAVES


def _root_of(hashes: Iterator[str | None]) -> str | None:
    """Compute the root over these hashes; None if one of them is not the hash of a leaf."""
    try:
        return root(_bytes_of(one) for one in hashes).hex()
    except (TypeError, ValueError):
        return None


def _bytes_of(digest: str | None) -> bytes:
    if digest is None or len(digest) != 64:
        raise ValueError("not the hash of a leaf")
    return bytes.fromhex(digest)


def _span(what: str, first: int, last: int) -> str:
    return f"{what} {first}" if first >= last else f"{what}s {first} to {last}"
