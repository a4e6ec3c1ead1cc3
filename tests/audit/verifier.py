"""Verifies an audit trail by FORMAT.md alone: the standard library, and no line of the service.

    AUDIT_HMAC_KEY=… python verifier.py attendance.db [CHECKPOINTS]

Prints the names of what it finds and exits 0 (intact), 1 (tampered with) or 2 (could not run).
"""

import base64
import hashlib
import hmac
import json
import os
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

Row = dict[str, Any]


def digest(prefix: int, row: Row) -> str:
    kept = {name: value for name, value in row.items() if value is not None}
    text = json.dumps(kept, ensure_ascii=False, separators=(",", ":"), sort_keys=True, default=blob)
    return hashlib.sha256(bytes([prefix]) + text.encode()).hexdigest()


def blob(value: bytes) -> dict[str, str]:
    return {"hex": value.hex()}


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


def check_chain(database: sqlite3.Connection) -> Iterator[str]:
    number, seq, before = 0, 0, "0" * 64
    for seal in query(database, "SELECT * FROM audit_seal ORDER BY id"):
        if number == 0 and seal["id"] > 1:
            number, seq, before = seal["id"] - 1, seal["first_seq"] - 1, seal["prev_hash"]
            if not was_pruned(database, seal):
                yield "truncated"
        follows = (number + 1, seq + 1, before)
        if (seal["id"], seal["first_seq"], seal["prev_hash"]) != follows:
            yield "seal_broken"
        if seal["hash"] != hash_of(seal):
            yield "seal_broken"
        yield from check_leaves(database, seal)
        number, seq, before = seal["id"], seal["last_seq"], seal["hash"]


def hash_of(seal: Row) -> str:
    return digest(2, {name: seal[name] for name in seal if name not in {"hash", "mac"}})


def was_pruned(database: sqlite3.Connection, seal: Row) -> bool:
    cuts = "SELECT after_json FROM audit WHERE action = 'audit.pruned' AND target_id = ?"
    said = [json.loads(row["after_json"]) for row in query(database, cuts, str(seal["id"]))]
    wanted = {(seal["prev_hash"], seal["first_seq"])}
    return bool(wanted & {(one.get("prev_hash"), one.get("first_seq")) for one in said})


def check_leaves(database: sqlite3.Connection, seal: Row) -> Iterator[str]:
    span = seal["first_seq"], seal["last_seq"]
    text = "SELECT * FROM audit_leaf WHERE seq BETWEEN ? AND ? ORDER BY seq"
    leaves = [
        (leaf["seq"], leaf["audit_id"], leaf["hash"]) for leaf in query(database, text, *span)
    ]
    found = [row_hash(database, audit_id) for _, audit_id, _ in leaves]
    if not leaves or [seq for seq, _, _ in leaves] != [*range(span[0], span[1] + 1)]:
        yield "leaf_missing"
    elif root([kept for _, _, kept in leaves]) != seal["root"]:
        yield "seal_broken"
        if None not in found and root([one or "" for one in found]) == seal["root"]:
            return  # the leaves were changed, and the rows were not
    for (_, _, kept), one in zip(leaves, found, strict=True):
        if one != kept:
            yield "row_missing" if one is None else "row_modified"


def row_hash(database: sqlite3.Connection, audit_id: int) -> str | None:
    row = next(query(database, "SELECT * FROM audit WHERE id = ?", audit_id), None)
    return None if row is None else digest(0, row)


def check_macs(database: sqlite3.Connection, key: bytes | None) -> Iterator[str]:
    ours, seal = sign(key or b"", b"attendance-audit key")[:16], None
    for seal in query(database, "SELECT * FROM audit_seal ORDER BY id"):
        if (seal["key_id"] is None) != (seal["mac"] is None):
            yield "mac_invalid"
        mac = sign(key or b"", bytes.fromhex(hash_of(seal)))
        if key and seal["key_id"] == ours and seal["mac"] != mac:
            yield "mac_invalid"
    if key and seal and seal["key_id"] != ours:
        yield "mac_invalid"


def sign(key: bytes, message: bytes) -> str:
    return hmac.new(key, message, hashlib.sha256).hexdigest()


def check_anchors(database: sqlite3.Connection, text: str) -> Iterator[str]:
    lines = text.split()
    for size, encoded in zip(lines[1::3], lines[2::3], strict=True):
        at = "SELECT last_seq, hash FROM audit_seal WHERE last_seq >= ? ORDER BY id LIMIT 1"
        seal = next(query(database, at, int(size)), None)
        anchored = {"last_seq": int(size), "hash": base64.b64decode(encoded).hex()}
        if seal != anchored:
            yield "truncated" if seal is None else "fork"


def check_the_rest(database: sqlite3.Connection) -> Iterator[str]:
    if list(query(database, "SELECT 1 FROM audit_seal GROUP BY prev_hash HAVING count(*) > 1")):
        yield "fork"
    ends = "SELECT min(first_seq) AS first, coalesce(max(last_seq), 0) AS last FROM audit_seal"
    for end in query(database, ends):
        stray = "SELECT 1 FROM audit_leaf WHERE seq < ? OR seq > ?"
        if list(query(database, stray, end["first"], end["last"])):
            yield "seal_broken"
    complete = "SELECT sealed_at FROM audit_seal WHERE backlog = 0 ORDER BY id DESC LIMIT 1"
    unsealed = "SELECT occurred_at FROM audit WHERE id NOT IN (SELECT audit_id FROM audit_leaf)"
    for newest in query(database, complete):
        limit = datetime.fromisoformat(newest["sealed_at"]) - timedelta(seconds=60)
        for row in query(database, unsealed):
            if datetime.fromisoformat(row["occurred_at"]) < limit:
                yield "unsealed_old"


def verify(path: Path, key: bytes | None = None, checkpoints: str = "") -> list[str]:
    """The names of what was found, each once."""
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as database:
        database.execute("BEGIN")
        return sorted(
            {
                *check_chain(database),
                *check_macs(database, key),
                *check_anchors(database, checkpoints),
                *check_the_rest(database),
            }
        )


def main(path: str, *checkpoints: str) -> int:
    try:
        text = "".join(Path(one).read_text(encoding="utf-8") for one in checkpoints)
        names = verify(Path(path), os.environ.get("AUDIT_HMAC_KEY", "").encode() or None, text)
    except (sqlite3.Error, OSError, TypeError, ValueError) as error:
        print(f"could not verify: {error}", file=sys.stderr)
        return 2
    print("\n".join(names) or "intact")
    return 1 if names else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
