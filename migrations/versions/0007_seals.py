"""Seals over the audit trail, append-only as the trail is."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from attendance.db.base import WHOLE, UtcTime

revision: str = "0007"
down_revision: str | None = "0006"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

# As for the trail itself, in 0003. A replacing INSERT may conflict with any unique column.
_UNIQUE = {"audit_seal": ("id", "prev_hash"), "audit_leaf": ("seq", "audit_id")}


def upgrade() -> None:
    _create_seal()
    _create_leaf()
    for table, unique in _UNIQUE.items():
        if op.get_context().dialect.name == "postgresql":
            _guard_on_postgres(table)
            continue
        same = " OR ".join(f"{column} = NEW.{column}" for column in unique)
        exists = f"EXISTS (SELECT 1 FROM {table} WHERE {same})"  # noqa: S608 - names of ours
        _guard(table, "no_update", "BEFORE UPDATE")
        _guard(table, "no_delete", "BEFORE DELETE")
        _guard(table, "no_replace", "BEFORE INSERT", f"WHEN {exists} ")


def downgrade() -> None:
    op.drop_table("audit_leaf")
    op.drop_table("audit_seal")


def _guard_on_postgres(table: str) -> None:
    """As for the trail itself, in 0003."""
    for event, each in (("UPDATE", "ROW"), ("DELETE", "ROW"), ("TRUNCATE", "STATEMENT")):
        op.execute(
            f"CREATE TRIGGER {table}_no_{event.lower()} BEFORE {event} ON {table} "
            f"FOR EACH {each} EXECUTE FUNCTION refuse_change()"
        )


def _guard(table: str, name: str, event: str, condition: str = "") -> None:
    op.execute(
        f"CREATE TRIGGER {table}_{name} {event} ON {table} {condition}"
        f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
    )


def _create_seal() -> None:
    op.create_table(
        "audit_seal",
        sa.Column("id", WHOLE, autoincrement=False, nullable=False),
        sa.Column("sealed_at", UtcTime(), nullable=False),
        sa.Column("first_seq", WHOLE, nullable=False),
        sa.Column("last_seq", WHOLE, nullable=False),
        sa.Column("backlog", WHOLE, nullable=False),
        sa.Column("root", sa.String(length=64), nullable=False),
        sa.Column("prev_hash", sa.String(length=64), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("key_id", sa.String(length=16), nullable=True),
        sa.Column("mac", sa.String(length=64), nullable=True),
        sa.CheckConstraint("last_seq >= first_seq", name=op.f("ck_audit_seal_not_empty")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_seal")),
        sa.UniqueConstraint("prev_hash", name=op.f("uq_audit_seal_prev_hash")),
    )


def _create_leaf() -> None:
    op.create_table(
        "audit_leaf",
        sa.Column("seq", WHOLE, autoincrement=False, nullable=False),
        sa.Column("audit_id", WHOLE, nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_audit_leaf")),
        sa.UniqueConstraint("audit_id", name=op.f("uq_audit_leaf_audit_id")),
    )
