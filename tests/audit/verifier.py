"""Verifies an audit trail by FORMAT.md alone: the standard library, and no line of the service.

    AUDIT_HMAC_KEY=… python verifier.py attendance.db [CHECKPOINTS]

Prints the names of what it finds and exits 0 (intact), 1 (tampered with) or 2 (could not run).
"""

import hashlib
import hmac
import json
import os
import sqlite3
import sys
from base64 import b64decode
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

Row = dict[str, Any]
FORKED = "SELECT 1 FROM audit_seal GROUP BY prev_hash HAVING count(*) > 1"
STRAY = """SELECT 1 FROM audit_leaf WHERE seq < (SELECT min(first_seq) FROM audit_seal)
    OR seq > (SELECT coalesce(max(last_seq), 0) FROM audit_seal)"""
SLIPPED_IN = """SELECT 1 FROM audit WHERE id NOT IN (SELECT audit_id FROM audit_leaf) AND id <= (
    SELECT coalesce(max(audit_id), 0) FROM audit_leaf WHERE seq <= (
        SELECT max(old.last_seq) FROM audit_seal AS old, audit_seal AS new
        WHERE new.id = (SELECT max(id) FROM audit_seal WHERE backlog = 0) AND old.id < new.id
        AND julianday(old.sealed_at) < julianday(new.sealed_at, '-60 seconds')))"""


def digest(prefix: int, row: Row) -> str:
    kept = {name: value for name, value in row.items() if value is not None}
    text = json.dumps(kept, ensure_ascii=False, separators=(",", ":"), sort_keys=True, default=blob)
    return hashlib.sha256(bytes([prefix]) + text.encode()).hexdigest()


def blob(value: bytes) -> Row:
    return {"hex": value.hex()}


def text_or_bytes(stored: bytes) -> str | bytes:
    try:
        return stored.decode()
    except UnicodeDecodeError:
        return stored


def hash_of(seal: Row) -> str:
    return digest(2, {name: seal[name] for name in seal if name not in {"hash", "mac"}})


def sign(key: bytes, message: bytes) -> str:
    return hmac.new(key, message, hashlib.sha256).hexdigest()


def root(hashes: list[str]) -> str:
    """RFC 6962, 2.1: split at the largest power of two below their number."""
    if len(hashes) == 1:
        return hashes[0]
    split = 1 << (len(hashes) - 1).bit_length() - 1
    below = bytes.fromhex(root(hashes[:split]) + root(hashes[split:]))
    return hashlib.sha256(b"\1" + below).hexdigest()


def query(database: sqlite3.Connection, text: str, *values: object) -> Iterator[Row]:
    cursor = database.execute(text, values)
    names = [column[0] for column in cursor.description]
    return (dict(zip(names, row, strict=True)) for row in cursor)


def check_chain(database: sqlite3.Connection, key: bytes) -> Iterator[str]:
    ours = sign(key, b"attendance-audit key")[:16]
    before: Row = {"id": 0, "last_seq": 0, "hash": "0" * 64, "key_id": ours}
    for seal in query(database, "SELECT * FROM audit_seal ORDER BY id"):
        place = seal["id"], seal["first_seq"], seal["prev_hash"]
        cut = before["id"] == 0 and seal["id"] > 1
        if cut and not was_pruned(database, *place):
            yield "truncated"
        if not cut and place != (before["id"] + 1, before["last_seq"] + 1, before["hash"]):
            yield "seal_broken"
        if seal["hash"] != hash_of(seal):
            yield "seal_broken"
        if (seal["key_id"] is None) != (seal["mac"] is None):
            yield "mac_invalid"
        signed = key and seal["key_id"] == ours
        if signed and seal["mac"] != sign(key, bytes.fromhex(hash_of(seal))):
            yield "mac_invalid"
        yield from check_leaves(database, seal)
        before = seal
    if key and before["key_id"] != ours:
        yield "mac_invalid"


def was_pruned(database: sqlite3.Connection, seal: int, first_seq: int, prev_hash: str) -> bool:
    cuts = "SELECT after_json FROM audit WHERE action = 'audit.pruned' AND target_id = ?"
    said = [json.loads(row["after_json"]) for row in query(database, cuts, str(seal))]
    return (first_seq, prev_hash) in [(cut.get("first_seq"), cut.get("prev_hash")) for cut in said]


def check_leaves(database: sqlite3.Connection, seal: Row) -> Iterator[str]:
    span = seal["first_seq"], seal["last_seq"]
    under = "SELECT * FROM audit_leaf WHERE seq BETWEEN ? AND ? ORDER BY seq"
    leaves = list(query(database, under, *span))
    if not leaves or [leaf["seq"] for leaf in leaves] != [*range(span[0], span[1] + 1)]:
        yield "leaf_missing"
    elif root([leaf["hash"] for leaf in leaves]) != seal["root"]:
        yield "seal_broken"
    for leaf in leaves:
        row = next(query(database, "SELECT * FROM audit WHERE id = ?", leaf["audit_id"]), None)
        if row is None or digest(0, row) != leaf["hash"]:
            yield "row_missing" if row is None else "row_modified"


def check_anchors(database: sqlite3.Connection, text: str) -> Iterator[str]:
    at = "SELECT * FROM audit_seal WHERE last_seq >= ? ORDER BY id LIMIT 1"
    for size, encoded in zip(text.split()[1::3], text.split()[2::3], strict=True):
        seal = next(query(database, at, int(size)), None)
        if seal is None:
            yield "truncated"
        elif int(size) < seal["first_seq"]:
            continue  # of what was pruned
        elif (seal["last_seq"], seal["hash"]) != (int(size), b64decode(encoded).hex()):
            yield "fork"


def check_the_rest(database: sqlite3.Connection) -> Iterator[str]:
    names = {"fork": FORKED, "seal_broken": STRAY, "unsealed_old": SLIPPED_IN}
    return (name for name, text in names.items() if any(query(database, text)))


def verify(path: Path, key: bytes = b"", checkpoints: str = "") -> list[str]:
    """The names of what was found, each once."""
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as database:
        database.text_factory = text_or_bytes
        database.execute("BEGIN")
        found = {*check_chain(database, key), *check_anchors(database, checkpoints)}
        return sorted(found.union(check_the_rest(database)))


def main(path: str, *checkpoints: str) -> int:
    try:
        text = "".join(Path(one).read_text(encoding="utf-8") for one in checkpoints)
        names = verify(Path(path), os.environ.get("AUDIT_HMAC_KEY", "").encode(), text)
    except (sqlite3.Error, OSError, TypeError, ValueError) as error:
        print(f"could not verify: {error}", file=sys.stderr)
        return 2
    print("\n".join(names) or "intact")
    return 1 if names else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
