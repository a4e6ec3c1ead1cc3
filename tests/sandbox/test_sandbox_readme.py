"""What docs/sandbox.md says of the sandbox's faults is so."""

import json
import re
from pathlib import Path

import pytest
import requests

from attendance.sandbox import Sandbox
from attendance.sandbox.faults import KINDS, BadFault, read_fault
from attendance.sandbox.state import CHAT_STATUSES

SECTION = (Path(__file__).parents[2] / "docs" / "sandbox.md").read_text(encoding="utf-8")
ROWS = {
    row[1]: row
    for line in SECTION.splitlines()
    if (row := re.fullmatch(r"\| `(\w+)` \| (.+?) \| (yes|no) \| (.*?) ?\|", line))
}
VALUES = {
    "status": 502,
    "seconds": 1,
    "delay_seconds": 0.1,
    "interval_seconds": 0.1,
    "bytes": 7,
    "location": "/",
    "body": "x",
    "content_type": "text/html",
    "headers": {},
    "part": "body",
    "times": None,
    "chat_id": 1000,
    "method": "getMe",
    "delivered": "late",
}
CURL = re.compile(r"curl -X (\w+) http://127.0.0.1:8081(\S+)(?: -d '(.*)')?")


def _words(text: str) -> list[str]:
    return [word for words in re.findall("`([^`]*)`", text) for word in words.split()]


def _values(names: list[str]) -> dict[str, object]:
    return {name: VALUES[name] for name in names}


def test_each_kind_has_its_line() -> None:
    assert {kind: row[2] for kind, row in ROWS.items()} == KINDS


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_needs_and_takes_what_its_line_says(kind: str) -> None:
    _, _, arrives, fields = ROWS[kind].groups()
    needed, _, taken = fields.partition(";")

    fault = read_fault({"kind": kind, **_values(_words(needed) + _words(taken))})

    assert fault.delivered is (arrives == "yes")
    for name in _words(needed):
        with pytest.raises(BadFault, match=f"^{name}: "):
            read_fault({"kind": kind, **_values([one for one in _words(needed) if one != name])})


def test_every_field_is_named() -> None:
    general = SECTION.partition("Each takes")[2].partition("A chat's")[0]
    own = [name for row in ROWS.values() for name in _words(row[4])]
    fields = read_fault({"kind": "drop"}).as_json()

    assert {*own, "times", "chat_id", "method", "delay_seconds", "delivered", "kind"} == set(fields)
    for name in ("times", "chat_id", "method", "delay_seconds", "delivered"):
        assert f"`{name}`" in general
        read_fault({"kind": "drop", name: VALUES[name]})


def test_each_status_of_a_chat_is_named() -> None:
    listed = _words(SECTION.partition("A chat's")[2])

    assert set(listed) - {"status", "migrate_to"} == set(CHAT_STATUSES)


def test_the_lines_to_paste_work() -> None:
    lines = CURL.findall(SECTION)
    with Sandbox(0) as sandbox:
        answers = [
            requests.request(method, sandbox.url + path, data=body or None, timeout=10)
            for method, path, body in lines
        ]

    assert len(lines) == 3
    assert [answer.status_code for answer in answers] == [200] * 3
    assert answers[0].json()["fault"].items() >= json.loads(lines[0][2]).items()
