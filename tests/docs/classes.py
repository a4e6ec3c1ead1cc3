"""Each block of a page falls in a class, by the words behind its fence; one that does not is a
mistake. What is to be pasted is run, or proved in the way that its class says."""

from pages import Block

RUN = {("sh", ""), ("console", "")}
"""Typed on a stage with a service: `test_lines_to_paste.py`."""

PARSED = {("sh", "bot")}
"""Needs a real bot: its commands, options and variables exist."""

TESTS = {("sh", "pytest")}
"""Runs tests, benchmarks or linters: what it names is there."""

POSTGRES = {("console", "postgres")}
"""Typed on a stage with a PostgreSQL."""

ANSWERS = {("http", "")}
"""The answer to the request that the service prints."""

SHOWN = {("text", "")}
"""A picture, a tree: nothing in it is to be typed."""

HELD = {
    ("docs/auditor.md", "sh held"): "tests/audit/test_recipe.py",
    ("docs/auditor.md", "yaml"): "tests/audit/test_recipe.py",
    ("docs/auditor.md", "sql"): "tests/audit/test_trail_on_postgres.py",
    ("docs/auditor.md", "psql"): "tests/audit/test_trail_on_postgres.py",
    ("docs/operator.md", "ini"): "tests/e2e/test_systemd_unit.py",
    ("docs/operator.md", "env"): "tests/e2e/test_systemd_unit.py",
    ("docs/postgresql.md", "sql"): "tests/e2e/test_roles_on_postgres.py",
}
"""Carried out by a test that reads it from the page; its file."""


def class_of(block: Block) -> str:
    """Raises AssertionError where it has none."""
    key = (block.language, block.kind)
    classes = {
        "run": RUN,
        "parsed": PARSED,
        "tests": TESTS,
        "postgres": POSTGRES,
        "answer": ANSWERS,
        "shown": SHOWN,
    }
    for name, members in classes.items():
        if key in members:
            return name
    assert (block.page, " ".join(key).strip()) in HELD, f"{block} is of no class: {key}"
    return "held"
