"""The SQL that is read in `sqlite.sql` and `postgresql.sql` is the SQL that runs.

After a change of a statement, run `python tests/db/fast/golden.py` and read what has changed.
"""

import ast
from pathlib import Path

import pytest
from golden import FILES, golden, readable, statements

import attendance
from attendance.db.fast.prepared import _DIALECTS, _Form

CODE = Path(attendance.__file__).parent


@pytest.mark.parametrize("dialect", FILES)
def test_the_files_show_each_statement_as_it_is(dialect: str) -> None:
    renew = "run `python tests/db/fast/golden.py` and read what has changed"

    assert FILES[dialect].read_text(encoding="utf-8") == golden(dialect), renew


@pytest.mark.parametrize("dialect", FILES)
def test_what_is_readable_says_no_less(dialect: str) -> None:
    for name, statement in statements().items():
        sql = _Form(statement._statement, statement._columns, _DIALECTS[dialect]).sql
        assert readable(sql).split() == _apart(sql), name


def _apart(sql: str) -> list[str]:
    return sql.replace("(SELECT ", "( SELECT ").split()


def test_no_statement_is_prepared_where_it_would_not_be_found() -> None:
    """Each is made at the top of a module, under a name of its own."""
    made = {
        f"{_module(path)}:{node.lineno}"
        for path in CODE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and _is_prepared(node)
    }
    named = {
        f"{_module(path)}.{target.id}": f"{_module(path)}:{node.value.lineno}"
        for path in CODE.rglob("*.py")
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.Assign) and _is_prepared(node.value)
        for target in node.targets
        if isinstance(target, ast.Name)
    }

    assert set(named.values()) == made
    assert set(statements()) == set(named)


def _is_prepared(node: ast.expr) -> bool:
    if not isinstance(node, ast.Call):
        return False
    called = node.func
    return (called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")) == (
        "Prepared"
    )


def _module(path: Path) -> str:
    return ".".join(("attendance", *path.relative_to(CODE).with_suffix("").parts))
