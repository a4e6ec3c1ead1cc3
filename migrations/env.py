"""Alembic's entry: always on a connection of our own engine, in one transaction for all."""

import os

from alembic import context
from sqlalchemy import Connection

import attendance.audit.trail
import attendance.models
import attendance.outbox.message
import attendance.turns  # noqa: F401 - each import puts its tables into the metadata
from attendance.config import Settings
from attendance.db import Base
from attendance.db.engines import writing_engine
from attendance.db.files import sqlite_path


def migrate(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        render_as_batch=True,
        # SQLite can roll DDL back, given that the engine begins its transactions itself.
        transactional_ddl=True,
    )
    with context.begin_transaction():
        context.run_migrations()


given: Connection | None = context.config.attributes.get("connection")
if given is not None:
    migrate(given)
else:
    engine = writing_engine(sqlite_path(Settings.from_env(os.environ).database_url))
    with engine.begin() as own:
        migrate(own)
    engine.dispose()
