"""The canonical form, the leaves, the tree and the seals: the same bytes everywhere, for ever."""

import hashlib
import json
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from attendance.audit import merkle, seals
from attendance.audit.canonical import canonical, leaf_hash
from attendance.config.secrets import Secret

# The inputs and roots of the reference implementation of RFC 6962.
INPUTS = [
    *("", "00", "10", "2021", "3031", "40414243"),
    *("5051525354555657", "606162636465666768696a6b6c6d6e6f"),
]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
HASHES = st.binary(min_size=32, max_size=32)


@pytest.mark.parametrize("size", range(1, 9))
def test_the_tree_is_that_of_rfc_6962(size: int) -> None:
    leaves = [hashlib.sha256(b"\0" + bytes.fromhex(text)).digest() for text in INPUTS[:size]]

    assert merkle.root(leaves).hex() == ROOTS[size - 1]


def test_the_empty_tree_is_that_of_rfc_6962() -> None:
    assert merkle.root([]) == hashlib.sha256(b"").digest()


def by_the_definition(leaves: list[bytes]) -> bytes:
    """RFC 6962, 2.1: split at the largest power of two below the number of leaves."""
    if len(leaves) == 1:
        return leaves[0]
    split = 1 << (len(leaves) - 1).bit_length() - 1
    left, right = by_the_definition(leaves[:split]), by_the_definition(leaves[split:])
    return hashlib.sha256(b"\1" + left + right).digest()


@pytest.mark.slow
@given(st.lists(HASHES, min_size=1, max_size=70))
def test_a_tree_of_any_size_follows_the_definition(leaves: list[bytes]) -> None:
    assert merkle.root(leaves) == by_the_definition(leaves)


@pytest.mark.parametrize(
    ("row", "text"),
    [
        ({"id": 1, "action": "a.b"}, '{"action":"a.b","id":1}'),
        ({"id": 1, "reason": None}, '{"id":1}'),
        ({"reason": ""}, '{"reason":""}'),
        ({"reason": 'é "\\\n\x01\x7f€😀'}, '{"reason":"é \\"\\\\\\n\\u0001\x7f€😀"}'),
        ({"at": datetime(2026, 1, 2, 3, tzinfo=UTC)}, '{"at":"2026-01-02T03:00:00.000000Z"}'),
        ({"blob": b"\xff"}, '{"blob":{"hex":"ff"}}'),
    ],
)
def test_the_canonical_form(row: dict[str, object], text: str) -> None:
    assert canonical(row) == text.encode()


@pytest.mark.slow
@settings(suppress_health_check=[HealthCheck.too_slow])  # the first text takes its time
@given(st.dictionaries(st.sampled_from("abc"), st.text() | st.integers() | st.booleans()))
def test_it_is_what_any_encoder_of_json_makes(row: dict[str, object]) -> None:
    options: Any = {"ensure_ascii": False, "separators": (",", ":"), "sort_keys": True}

    assert canonical(row).decode() == json.dumps(row, **options)


VALUES = st.none() | st.integers(-(2**63), 2**63 - 1) | st.text() | st.binary()
ROWS = st.dictionaries(st.sampled_from(["a", "b", "c"]), VALUES)


@pytest.mark.slow
@settings(suppress_health_check=[HealthCheck.too_slow])  # the first text takes its time
@given(st.lists(ROWS, min_size=2, max_size=2))
def test_two_rows_have_one_hash_only_where_they_say_the_same(rows: list[dict[str, object]]) -> None:
    said = [{name: value for name, value in row.items() if value is not None} for row in rows]

    for (one, first), (other, second) in pairwise(zip(rows, said, strict=True)):
        assert (leaf_hash(one) == leaf_hash(other)) is (first == second)


SEAL = {
    "id": 1,
    "sealed_at": "2026-11-23T09:00:00.000000Z",
    "first_seq": 1,
    "last_seq": 2,
    "backlog": 0,
    "root": ROOTS[1],
    "prev_hash": seals.GENESIS,
}


def test_a_seal_has_the_hash_that_is_documented() -> None:
    text = (
        '{"backlog":0,"first_seq":1,"id":1,"last_seq":2,'
        f'"prev_hash":"{"0" * 64}","root":"{ROOTS[1]}",'
        '"sealed_at":"2026-11-23T09:00:00.000000Z"}'
    )

    expected = hashlib.sha256(b"\x02" + text.encode()).hexdigest()
    assert seals.hash_of(SEAL) == expected
    assert seals.hash_of({**SEAL, "hash": "x", "mac": "y"}) == expected
    assert expected == "10b591a28297195f395765a9aa79c5ff28a71754bf435f6c525407f618dfb346"


def test_a_mac_is_that_of_rfc_4231() -> None:
    """Its test case 2, whose message is not a hash: the function does not mind."""
    key, message = Secret("Jefe"), b"what do ya want for nothing?"
    expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"

    assert seals.mac_of(key, message.hex()) == expected
