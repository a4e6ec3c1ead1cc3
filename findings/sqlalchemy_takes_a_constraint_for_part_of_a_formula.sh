#!/usr/bin/env bash
# SQLAlchemy reads the rest of a line into a generated column's formula, if more brackets follow there.
#
# With:    SQLAlchemy 2.1.9, and the sqlite3 module of Python;
#          on Python 3.11.7, in December 2026.
# Guessed: reflection gives `minutes / 60.0` for a column GENERATED ALWAYS AS (minutes / 60.0)
#          STORED.
# Seen:    it does where the CREATE TABLE has a line for each column. On one line, as SQLite keeps
#          what was typed on one, the formula goes on to the last closing bracket: `minutes / 60.0)
#          STORED, CONSTRAINT positive CHECK (minutes > 0`. A table made from what was reflected is
#          a syntax error, and so is Alembic's batch mode on it.
# So:      the text of CREATE TABLE is data for whoever reflects: one line for each column, also in
#          tests.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/pip install -q --disable-pip-version-check SQLAlchemy==2.1.9 typing_extensions==4.16.0

env/bin/python - <<'PYTHON'
def check(what, seen, expected):
    print(f"{what}: {seen}")
    if seen != expected:
        raise SystemExit(f"CHANGED: {what} was {expected}")

import sqlalchemy as sa

COLUMNS = [
    "id INTEGER PRIMARY KEY",
    "minutes INTEGER",
    "hours REAL GENERATED ALWAYS AS (minutes / 60.0) STORED",
    "CONSTRAINT positive CHECK (minutes > 0)",
]


def formula(between):
    engine = sa.create_engine("sqlite://")
    with engine.begin() as connection:
        connection.exec_driver_sql(f"CREATE TABLE shift ({between.join(COLUMNS)})")
        return sa.inspect(connection).get_columns("shift")[2]["computed"]["sqltext"]


def copied(between):
    here, there = sa.create_engine("sqlite://"), sa.create_engine("sqlite://")
    with here.begin() as connection:
        connection.exec_driver_sql(f"CREATE TABLE shift ({between.join(COLUMNS)})")
        table = sa.Table("shift", sa.MetaData(), autoload_with=connection)
    try:
        table.create(there)
    except sa.exc.OperationalError as error:
        return str(error.orig)
    return "made"


check("a line for each", formula(",\n"), "minutes / 60.0")
check(
    "all on one line",
    formula(", "),
    "minutes / 60.0) STORED, CONSTRAINT positive CHECK (minutes > 0",
)
check("a copy of the one", copied(",\n"), "made")
check("a copy of the other", copied(", "), 'near "STORED": syntax error')
PYTHON
