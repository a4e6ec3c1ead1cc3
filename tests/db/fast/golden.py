"""The SQL of each prepared statement, to be read as text: `sqlite.sql` and `postgresql.sql`.

Run `python tests/db/fast/golden.py` to write both files anew.
"""

import re
import textwrap
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages

import attendance
from attendance.db import Prepared
from attendance.db.fast.prepared import _DIALECTS, _Form

FILES = {name: Path(__file__).parent / f"{name}.sql" for name in _DIALECTS}

_HEAD = """\
-- Each prepared statement as {dialect} is given it: written by golden.py, held by test_golden.py.
-- Those that only the other database is asked stand here, too.
"""
_BREAKS = re.compile(
    r" (?=(?:FROM|WHERE|ORDER BY|LIMIT|VALUES|SET|RETURNING|FOR (?:NO KEY )?UPDATE|AND|OR)\b)"
    r"| (?=LEFT OUTER JOIN |(?<!OUTER )JOIN )"
    r"|(?<=\() ?(?=SELECT )|(?<=\)) (?=SELECT )"
)
_WIDTH = 98


def statements() -> dict[str, Prepared]:
    """Every prepared statement of the code, by the module and the name that it was given first."""
    found: dict[str, Prepared] = {}
    for module in _modules():
        for name, value in vars(import_module(module)).items():
            if isinstance(value, Prepared) and value not in found.values():
                found[f"{module}.{name}"] = value
    return found


def _modules() -> Iterator[str]:
    """All but those that are commands, and would run."""
    names = (module.name for module in walk_packages(attendance.__path__, "attendance."))
    return (name for name in sorted(names) if not name.endswith(".__main__"))


def golden(dialect: str) -> str:
    """The whole file for one database."""
    parts = [_HEAD.format(dialect=dialect)]
    for name, statement in statements().items():
        form = _Form(statement._statement, statement._columns, _DIALECTS[dialect])
        given = ", ".join(bind for bind, _ in form._binds) or "nothing"
        heading = textwrap.fill(f"{name}: {given}", _WIDTH, subsequent_indent="    ")
        parts.append(textwrap.indent(heading, "-- ") + "\n" + readable(form.sql) + ";\n")
    return "\n".join(parts)


def readable(sql: str) -> str:
    """The same statement with each clause on a line, further in for each bracket that is open."""
    lines, depth = [], 0
    for clause in _BREAKS.split(" ".join(sql.split())):
        indent = "  " * (depth + clause.startswith(("AND ", "OR ")))
        lines += textwrap.wrap(
            clause,
            _WIDTH,
            initial_indent=indent,
            subsequent_indent=indent + "    ",
            break_long_words=False,
            break_on_hyphens=False,
        )
        depth += clause.count("(") - clause.count(")")
    return "\n".join(lines)


if __name__ == "__main__":
    for dialect, path in FILES.items():
        path.write_text(golden(dialect), encoding="utf-8")
