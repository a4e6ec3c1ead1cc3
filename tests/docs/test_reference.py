"""What the pages list is all that there is, and all that they list is there."""

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
from click.testing import CliRunner
from command_lines import COMMANDS, check, named, options_of
from flask import Flask
from pages import ROOT, codes, page
from pydantic import BaseModel

from attendance.app import create_app
from attendance.cli import main
from attendance.config import Settings
from attendance.db import Base
from attendance.maintenance.tasks import JOBS
from attendance.models import EVENTS, ROLES
from attendance.outbox.models import Status
from attendance.web.schemas import (
    AttendanceIn,
    AttendanceQuery,
    AuditExportQuery,
    AuditQuery,
    OutboxQuery,
    RetryIn,
)

COMMAND_ROWS = page("docs/admin.md").table("command")
ENDPOINT_ROWS = page("docs/frontend.md").table("method and path")
TABLE_ROWS = page("docs/auditor.md").table("table", "columns")


def _spelt_out(row: list[str]) -> list[str]:
    """The commands in the first cell of a row."""
    return [name for one in codes(row[0]) if (name := named(one))]


def test_every_command_has_its_row_and_every_row_its_command() -> None:
    listed = [name for row in COMMAND_ROWS for name in _spelt_out(row)]

    assert sorted(listed) == sorted(COMMANDS)
    assert [row for row in COMMAND_ROWS if len(_spelt_out(row)) != len(codes(row[0]))] == []


@pytest.mark.parametrize("row", COMMAND_ROWS, ids=lambda row: row[0])
def test_every_option_of_a_command_is_in_its_row_and_no_other(row: list[str]) -> None:
    told = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", " ".join(row)))

    assert told == {flag for name in _spelt_out(row) for flag in options_of(name)}
    for text in codes(row[0]):
        check(text)


@pytest.fixture
def app(sqlite_url: str) -> Iterator[Flask]:
    made = create_app(Settings.from_env({"DATABASE_URL": sqlite_url}))
    yield made
    made.extensions["attendance"].database.close()


@pytest.fixture
def keys(sqlite_url: str) -> dict[str, str]:
    """A key of each role."""
    made: dict[str, str] = {}
    for role in ROLES:
        arguments = ["keys", "create", role, "--role", role, "--json"]
        result = CliRunner().invoke(main, arguments, env={"DATABASE_URL": sqlite_url})
        made[role] = json.loads(result.stdout)["key"]
    return made


def _endpoints() -> dict[tuple[str, str], str]:
    """The roles, by method and path."""
    return {
        (method, path): row[1]
        for row in ENDPOINT_ROWS
        for method, path in (text.split() for text in codes(row[0]))
    }


def test_every_endpoint_has_its_row_and_every_row_its_endpoint(app: Flask) -> None:
    there = {
        (method, re.sub(r"<\w+:\w+>", "{id}", rule.rule))
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }

    assert set(_endpoints()) == there
    assert sum(len(codes(row[0])) for row in ENDPOINT_ROWS) == len(there)


@pytest.mark.parametrize("role", ROLES)
def test_an_endpoint_is_for_the_roles_of_its_row(
    app: Flask, keys: dict[str, str], role: str
) -> None:
    elsewhere = {"REMOTE_ADDR": "192.0.2.7"}
    headers = {"Authorization": f"Bearer {keys[role]}"}
    for (method, path), roles in _endpoints().items():
        answer = app.test_client().open(
            path.replace("{id}", "4711"), method=method, headers=headers, environ_base=elsewhere
        )
        may = role in re.findall(r"\w+", roles) or roles == "none"
        assert (answer.status_code != 403) is may, (method, path, answer.text)
        assert answer.status_code != 401


def test_without_a_key_an_endpoint_answers_where_its_row_has_no_role(app: Flask) -> None:
    for (method, path), roles in _endpoints().items():
        answer = app.test_client().open(path.replace("{id}", "4711"), method=method)
        assert (answer.status_code != 401) is roles.startswith("none"), (method, path)


FILTERS: dict[tuple[str, str], type[BaseModel]] = {
    ("GET", "/attendance"): AttendanceQuery,
    ("GET", "/outbox"): OutboxQuery,
    ("GET", "/audit"): AuditQuery,
    ("POST", "/outbox/retry"): RetryIn,
}


@pytest.mark.parametrize("endpoint", FILTERS, ids=" ".join)
def test_the_filters_of_a_list_are_those_of_its_row(endpoint: tuple[str, str]) -> None:
    (row,) = [row for row in ENDPOINT_ROWS if codes(row[0]) == [" ".join(endpoint)]]
    told = [word for text in codes(row[2]) for word in text.split()]
    fields = FILTERS[endpoint].model_fields
    names = {one.alias or name for name, one in fields.items()}

    assert set(told) == names - {"limit", "cursor"}


def test_an_export_takes_what_its_row_says_beside_the_filters() -> None:
    (row,) = [row for row in ENDPOINT_ROWS if codes(row[0]) == ["GET /audit/export"]]
    more = AuditExportQuery.model_fields.keys() - AuditQuery.model_fields.keys()
    told = {text.partition("=")[0] for text in codes(row[2])}

    assert {AuditExportQuery.model_fields[name].alias or name for name in more} <= told
    assert {"csv", "jsonl"} <= told


def test_the_fields_of_a_record_are_those_of_the_table() -> None:
    rows = page("docs/frontend.md").table("field")
    listed = [name for row in rows for name in codes(row[0])]
    (events,) = [codes(row[2])[0] for row in rows if row[0] == "`event`"]

    assert sorted(listed) == sorted(AttendanceIn.model_fields)
    required = {name for name, one in AttendanceIn.model_fields.items() if one.is_required()}
    assert {name for row in rows for name in codes(row[0]) if row[1] == "required"} == required
    assert events.split() == list(EVENTS)


NOT_TOLD_TO_CLIENTS = {(500, "broken_off"), (499, "not_taken")}
OF_HTTP = {(404, "not_found"), (405, "method_not_allowed")}


def _problems(path: Path) -> Iterator[tuple[int, str]]:
    """Each status with the code that stands behind it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        parts = node.args if isinstance(node, ast.Call) else getattr(node, "elts", [])
        values = [part.value for part in parts[:2] if isinstance(part, ast.Constant)]
        match values:
            case [int(status), str(code)] if 400 <= status < 600 and re.fullmatch(r"[a-z_]+", code):
                yield status, code


def test_every_problem_has_its_row_and_every_row_its_problem() -> None:
    web = ROOT / "attendance" / "web"
    told = {one for path in web.rglob("*.py") for one in _problems(path)} - NOT_TOLD_TO_CLIENTS
    listed = {
        (int(row[0]), code)
        for row in page("docs/frontend.md").table("status", "`code`")
        for code in codes(row[1])
    }

    assert listed == told | OF_HTTP


def test_every_table_has_its_row_and_every_row_its_table() -> None:
    assert [codes(row[0]) for row in TABLE_ROWS] != []
    assert sorted(name for row in TABLE_ROWS for name in codes(row[0])) == sorted(
        Base.metadata.tables
    )


@pytest.mark.parametrize("row", TABLE_ROWS, ids=lambda row: row[0])
def test_every_column_is_told_and_no_other(row: list[str]) -> None:
    (table,) = codes(row[0])
    told = codes(re.sub(r"\([^()]*\)", "", row[1]))

    assert sorted(told) == sorted(Base.metadata.tables[table].columns.keys())


def test_the_statuses_of_a_message_are_told_to_auditors_and_admins() -> None:
    (row,) = [row for row in TABLE_ROWS if row[0] == "`outbox`"]
    to_admins = [codes(row[0])[0] for row in page("docs/admin.md").table("status", "means")]

    assert f"`status` (`{' '.join(get_args(Status))}`)" in row[1]
    assert sorted(to_admins) == sorted(get_args(Status))


def _defaults_in_the_code() -> dict[str, str]:
    source = (ROOT / "attendance" / "config" / "settings.py").read_text(encoding="utf-8")
    given = re.findall(r"read(?:\.or_file)?\(\s*\"([A-Z_]+)\", \"([^\"]*)\"", source)
    optional = re.findall(r"read\.(?:optional|secret|family)\(\s*\"([A-Z_]+)\"", source)
    return {**dict(given), **dict.fromkeys(optional, "unset")}


IN_WORDS = {"TRUSTED_PROXIES", "SECRET_KEY", "LOG_FORMAT"}
"""Whose default is told in words."""


def test_every_default_is_that_of_the_code() -> None:
    told: dict[str, str] = {}
    for row in page("docs/settings.md").table("variable"):
        names = [one for one in codes(row[0]) if re.fullmatch("[A-Z_]{2,}", one) and one != "_FILE"]
        values = codes(row[1]) if len(codes(row[1])) == len(names) else [row[1]] * len(names)
        told |= dict(zip(names, values, strict=True))
    there = _defaults_in_the_code()

    assert told.keys() == there.keys()
    assert {name: told[name] for name in told.keys() - IN_WORDS} == {
        name: there[name] for name in there.keys() - IN_WORDS
    }


GLOSSARY = page("docs/glossary.md")
TO_EXPLAIN = (
    *("turnstile", "lane", "parked", "anchor", "checkpoint", "canonical", "prepared"),
    *("settlement", "backoff", "trail", "Merkle tree", "outbox", "lease", "claim"),
    *("circuit breaker", "digest", "seal", "token", "heartbeat", "pace"),
)


def test_every_word_of_this_house_is_explained_once() -> None:
    rows = [*GLOSSARY.section("Ours").table("word"), *GLOSSARY.section("The field's").table("word")]
    words = [row[0] for row in rows]

    assert set(TO_EXPLAIN) <= set(words)
    assert len(set(words)) == len(words)
    assert [row for row in rows if not row[1]] == []


CHOSEN = "few-dependencies.md"
"""Of many measurements, each made once."""


def test_every_measured_decision_says_how_to_measure_it_again() -> None:
    decisions = sorted((ROOT / "docs" / "decisions").glob("[!R]*.md"))
    texts = {path.name: path.read_text(encoding="utf-8") for path in decisions}

    assert len(texts) >= 12
    assert [name for name, text in texts.items() if "**Decided.**" not in text] == []
    assert [name for name, text in texts.items() if "**Again.**" not in text] == [CHOSEN]
    assert [
        name for name, text in texts.items() if "Rejected" not in text and "not |" not in text
    ] == []


def test_the_background_jobs_are_those_of_the_list_in_its_order() -> None:
    table = (ROOT / "docs" / "operator.md").read_text(encoding="utf-8").partition("| job |")[2]
    rows = [
        tuple(cell.strip() for cell in line.strip("|").split("|"))
        for line in table.partition("\n\n")[0].splitlines()[2:]
    ]

    assert rows == [(job.name, job.does, job.every, job.run_by) for job in JOBS]
