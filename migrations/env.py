"""Alembic's entry: always on a connection of our own engine, in one transaction for all."""

import os

from alembic import context
from sqlalchemy import Connection

from attendance import models  # noqa: F401 - what is not imported, autogenerate would drop
from attendance.audit import seals  # noqa: F401
from attendance.config import Settings
from attendance.db import Base, Database
from attendance.maintenance import run_claims  # noqa: F401
from attendance.notifications import routing  # noqa: F401
from attendance.outbox import heartbeat_rows  # noqa: F401


def migrate(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        render_as_batch=True,
        # SQLite too can roll DDL back, given that the engine begins its transactions itself.
        transactional_ddl=True,
    )
    with context.begin_transaction():
        context.run_migrations()


given: Connection | None = context.config.attributes.get("connection")
if given is not None:
    migrate(given)
else:
    settings = Settings.from_env(os.environ)
    with Database.upgrading(settings.database_url, settings.database_group) as own:
        migrate(own)
