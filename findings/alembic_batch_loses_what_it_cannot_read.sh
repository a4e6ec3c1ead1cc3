#!/usr/bin/env bash
# Alembic's batch mode makes a SQLite table anew and leaves out, without a word, what reflection misses.
#
# With:    Alembic 1.20.1, SQLAlchemy 2.1.9;
#          on Python 3.11.7, in December 2026.
# Guessed: a table with one column more, and a warning where something cannot be kept.
# Seen:    no warning, and gone are AUTOINCREMENT (with its row in sqlite_sequence: the id of a
#          deleted row is given out again), COLLATE NOCASE (a search for ADA no longer finds Ada),
#          ON CONFLICT IGNORE, the order DESC of an index, and a trigger that forbade DELETE.
#          STRICT and the condition of a partial index stay.
# So:      no batch mode on tables that matter: ADD COLUMN, or the twelve steps of SQLite's manual
#          by hand.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/pip install -q --disable-pip-version-check \
    alembic==1.20.1 \
    SQLAlchemy==2.1.9 \
    Mako==1.4.3 \
    MarkupSafe==3.0.4 \
    typing_extensions==4.16.0

env/bin/python - <<'PYTHON'
def check(what, seen, expected):
    print(f"{what}: {seen}")
    if seen != expected:
        raise SystemExit(f"CHANGED: {what} was {expected}")

import warnings

import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.operations import Operations

MAKE = [
    """CREATE TABLE person (
        id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
        name TEXT COLLATE NOCASE,
        n INTEGER,
        CONSTRAINT one_name UNIQUE (name) ON CONFLICT IGNORE
    ) STRICT""",
    """CREATE TRIGGER kept BEFORE DELETE ON person WHEN OLD.id = 41
        BEGIN SELECT RAISE(ABORT, 'kept'); END""",
    "CREATE INDEX some ON person (n) WHERE n > 5",
    "CREATE INDEX backwards ON person (n DESC)",
    "INSERT INTO person (id, name) VALUES (41, 'Ada'), (99, 'Bob')",
]
engine = sa.create_engine("sqlite://")
with engine.begin() as connection, warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    run = connection.exec_driver_sql
    for statement in MAKE:
        run(statement)

    def whole():
        return "\n".join(run("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL").scalars())

    words = ("AUTOINCREMENT", "NOCASE", "ON CONFLICT", "DESC", "TRIGGER", "STRICT", "WHERE n > 5")
    check("before", [word for word in words if word in whole()], list(words))
    operations = Operations(MigrationContext.configure(connection))
    with operations.batch_alter_table("person", recreate="always") as batch:
        batch.add_column(sa.Column("extra", sa.Text()))
    check("after", [word for word in words if word in whole()], ["STRICT", "WHERE n > 5"])
    check("warnings", len(told), 0)
    run("DELETE FROM person WHERE id = 99")
    run("INSERT INTO person (name) VALUES ('Eve')")
    check("the id after 99", run("SELECT max(id) FROM person").scalar(), 42)
    check("who is ADA", run("SELECT count(*) FROM person WHERE name = 'ADA'").scalar(), 0)
PYTHON
