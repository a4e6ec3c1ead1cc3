"""What somebody can do to a sealed trail who has lifted its triggers, on either database."""

from collections.abc import Callable
from typing import Any

import verifier
from trails import KEY

from attendance.audit import seals

Mutate = Callable[[Any], object]
"""On a connection whose `execute` takes a `?` for each value."""

Mutant = tuple[str, str, Mutate]
"""What it does, the name under which it is to be found, and the act."""

BATCHES = (3, 1, 4, 2)
ROWS = sum(BATCHES)

PLACES = {
    "audit": ("id", [1, 6, ROWS]),
    "audit_leaf": ("seq", [1, 6, ROWS]),
    "audit_seal": ("id", [1, 2, len(BATCHES)]),
}
NAMED = {
    ("audit", "id"): "row_missing",
    ("audit_leaf", "seq"): "leaf_missing",
    ("audit_leaf", "audit_id"): "row_missing",
    ("audit_leaf", "hash"): "seal_broken",
    ("audit_seal", "mac"): "mac_invalid",
}
USUAL = {"audit": "row_modified", "audit_leaf": "seal_broken", "audit_seal": "seal_broken"}
NUMBERS = {"id", "seq", "audit_id", "first_seq", "last_seq", "backlog", "schema_version"}


def update(table: str, column: str, value: str, where: str) -> Mutate:
    return lambda c: c.execute(f"UPDATE {table} SET {column} = {value} WHERE {where}")  # noqa: S608


def script(text: str) -> Mutate:
    def run(connection: Any) -> None:
        for statement in text.split(";"):
            connection.execute(statement)

    return run


def slip_in(connection: Any, row_id: int) -> None:
    """A copy of another row, and so with an old time."""
    [row] = verifier.query(connection, "SELECT * FROM audit WHERE id = 2")
    row["id"] = row_id
    places = ", ".join("?" * len(row))
    connection.execute(f"INSERT INTO audit VALUES ({places})", [*row.values()])  # noqa: S608


STRUCTURE: list[Mutant] = [
    ("a row deleted", "row_missing", script("DELETE FROM audit WHERE id = 5")),
    ("a leaf deleted", "leaf_missing", script("DELETE FROM audit_leaf WHERE seq = 5")),
    (
        "a row and its leaf deleted",
        "leaf_missing",
        script("DELETE FROM audit WHERE id = 5; DELETE FROM audit_leaf WHERE audit_id = 5"),
    ),
    ("a seal deleted", "seal_broken", script("DELETE FROM audit_seal WHERE id = 2")),
    (
        "a seal deleted with all under it",
        "seal_broken",
        script(
            "DELETE FROM audit_seal WHERE id = 2; DELETE FROM audit_leaf WHERE seq = 4;"
            "DELETE FROM audit WHERE id = 4"
        ),
    ),
    (
        "a seal deleted, and the next moved up",
        "seal_broken",
        script(
            "DELETE FROM audit_seal WHERE id = 2; UPDATE audit_seal SET id = id - 1 WHERE id > 2"
        ),
    ),
    (
        "the tail cut",
        "truncated",
        script(
            "DELETE FROM audit WHERE id > 8; DELETE FROM audit_leaf WHERE seq > 8;"
            "DELETE FROM audit_seal WHERE id > 3"
        ),
    ),
    ("the last seal cut", "truncated", script("DELETE FROM audit_seal WHERE id > 3")),
    (
        "the front cut",
        "truncated",
        script(
            "DELETE FROM audit WHERE id <= 3; DELETE FROM audit_leaf WHERE seq <= 3;"
            "DELETE FROM audit_seal WHERE id = 1"
        ),
    ),
    (
        "all seals deleted",
        "truncated",
        script("DELETE FROM audit_seal; DELETE FROM audit_leaf"),
    ),
    ("the seals deleted, and not the leaves", "seal_broken", script("DELETE FROM audit_seal")),
    (
        "the front cut, with a note of it that says nothing",
        "truncated",
        script(
            "DELETE FROM audit WHERE id <= 3; DELETE FROM audit_leaf WHERE seq <= 3;"
            "DELETE FROM audit_seal WHERE id = 1;"
            "INSERT INTO audit (occurred_at, actor_type, action, outcome, host, schema_version,"
            " target_type, target_id, after_json) VALUES ('2026-11-23T09:40:00.000000Z',"
            " 'service', 'audit.pruned', 'success', 'h', 1, 'audit_seal', '2', '{}')"
        ),
    ),
    (
        "two rows exchanged",
        "row_modified",
        script(
            "UPDATE audit SET id = 100 WHERE id = 5; UPDATE audit SET id = 5 WHERE id = 6;"
            "UPDATE audit SET id = 6 WHERE id = 100"
        ),
    ),
    ("a row slipped in before the first", "unsealed_old", lambda c: slip_in(c, 0)),
    ("a row slipped in before that", "unsealed_old", lambda c: slip_in(c, -(2**63))),
    (
        "a row slipped in with a leaf",
        "seal_broken",
        script("INSERT INTO audit_leaf SELECT 11, 11, hash FROM audit_leaf WHERE seq = 2"),
    ),
]  # fmt: skip


def rebuild(connection: Any, key: bytes | None) -> None:
    """Change a row, and make all hashes anew, so that everything fits."""
    connection.execute("UPDATE audit SET reason = 'nothing of note' WHERE id = 5")
    for row in [*verifier.query(connection, "SELECT * FROM audit")]:
        digest = (verifier.digest(0, row), row["id"])
        connection.execute("UPDATE audit_leaf SET hash = ? WHERE audit_id = ?", digest)
    before = seals.GENESIS
    for seal in [*verifier.query(connection, "SELECT * FROM audit_seal ORDER BY id")]:
        span = (seal["first_seq"], seal["last_seq"])
        text = "SELECT hash FROM audit_leaf WHERE seq BETWEEN ? AND ? ORDER BY seq"
        hashes = [row["hash"] for row in verifier.query(connection, text, *span)]
        key_id = key and verifier.sign(key, b"attendance-audit key")[:16]
        seal |= {"root": verifier.root(hashes), "prev_hash": before, "key_id": key_id}
        before = verifier.hash_of(seal)
        mac = key and verifier.sign(key, bytes.fromhex(before))
        connection.execute(
            "UPDATE audit_seal SET root=?, prev_hash=?, hash=?, key_id=?, mac=? WHERE id=?",
            (seal["root"], seal["prev_hash"], before, key_id, mac, seal["id"]),
        )


REBUILT: list[Mutant] = [
    ("rebuilt without the key", "mac_invalid", lambda c: rebuild(c, None)),
    ("rebuilt with another key", "mac_invalid", lambda c: rebuild(c, b"another")),
    ("rebuilt with the stolen key", "fork", lambda c: rebuild(c, KEY.reveal().encode())),
]
