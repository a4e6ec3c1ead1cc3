"""The audit trail, append-only in the database itself."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from attendance.db.base import WHOLE, UtcTime

revision: str = "0003"
down_revision: str | None = "0002"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

# RAISE(ABORT) undoes the statement alone; ROLLBACK would end the transaction that others share.
# The guard on INSERT stops INSERT OR REPLACE, which passes DELETE triggers by where
# recursive_triggers is off.
_GUARDS = {
    "audit_no_update": "BEFORE UPDATE ON audit",
    "audit_no_delete": "BEFORE DELETE ON audit",
    "audit_no_replace": (
        "BEFORE INSERT ON audit WHEN EXISTS (SELECT 1 FROM audit WHERE id = NEW.id)"
    ),
}

# PostgreSQL has no replacing INSERT, and has TRUNCATE, which passes the triggers of rows by.
_REFUSE = """CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME
    USING ERRCODE = 'integrity_constraint_violation';
END $$"""
_POSTGRES_GUARDS = {
    "audit_no_update": "BEFORE UPDATE ON audit FOR EACH ROW",
    "audit_no_delete": "BEFORE DELETE ON audit FOR EACH ROW",
    "audit_no_truncate": "BEFORE TRUNCATE ON audit FOR EACH STATEMENT",
}


def upgrade() -> None:
    _create_audit()
    if op.get_context().dialect.name == "postgresql":
        op.execute(_REFUSE)
        for name, when in _POSTGRES_GUARDS.items():
            op.execute(f"CREATE TRIGGER {name} {when} EXECUTE FUNCTION refuse_change()")
        return
    for name, when in _GUARDS.items():
        op.execute(
            f"CREATE TRIGGER {name} {when} BEGIN SELECT RAISE(ABORT, 'audit is append-only'); END"
        )


def downgrade() -> None:
    op.drop_table("audit")
    if op.get_context().dialect.name == "postgresql":
        op.execute("DROP FUNCTION refuse_change()")


def _create_audit() -> None:
    op.create_table(
        "audit",
        sa.Column("id", WHOLE, nullable=False),
        sa.Column("occurred_at", UtcTime(), nullable=False),
        sa.Column("actor_type", sa.String(length=16), nullable=False),
        sa.Column("actor_id", sa.String(length=128), nullable=True),
        sa.Column("actor_name", sa.String(length=128), nullable=True),
        sa.Column("action", sa.String(length=64), nullable=False),
        sa.Column("outcome", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("target_type", sa.String(length=32), nullable=True),
        sa.Column("target_id", sa.String(length=64), nullable=True),
        sa.Column("request_id", sa.String(length=64), nullable=True),
        sa.Column("trace_id", sa.String(length=64), nullable=True),
        sa.Column("source_ip", sa.String(length=64), nullable=True),
        sa.Column("user_agent", sa.String(length=256), nullable=True),
        sa.Column("host", sa.String(length=128), nullable=False),
        sa.Column("before_json", sa.Text(), nullable=True),
        sa.Column("after_json", sa.Text(), nullable=True),
        sa.Column("schema_version", WHOLE, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_audit_request_id", "audit", ["request_id"])
    op.create_index("ix_audit_target", "audit", ["target_type", "target_id"])
