"""Corrections that are append-only in the database itself, as the audit trail is."""

from collections.abc import Sequence

from alembic import op

revision: str = "0010"
down_revision: str | None = "0009"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

# As for the trail, in 0003. A replacing INSERT may conflict with either unique column.
_REPLACES = """WHEN EXISTS (SELECT 1 FROM correction
    WHERE attendance_id = NEW.attendance_id OR replaced_by = NEW.replaced_by)"""
_GUARDS = {
    "no_update": "BEFORE UPDATE ON correction",
    "no_delete": "BEFORE DELETE ON correction",
    "no_replace": f"BEFORE INSERT ON correction {_REPLACES}",
}
_POSTGRES_GUARDS = {
    "no_update": "BEFORE UPDATE ON correction FOR EACH ROW",
    "no_delete": "BEFORE DELETE ON correction FOR EACH ROW",
    "no_truncate": "BEFORE TRUNCATE ON correction FOR EACH STATEMENT",
}


def upgrade() -> None:
    if op.get_context().dialect.name == "postgresql":
        _guard(_POSTGRES_GUARDS, "EXECUTE FUNCTION refuse_change()")
    else:
        _guard(_GUARDS, "BEGIN SELECT RAISE(ABORT, 'correction is append-only'); END")


def downgrade() -> None:
    on_postgres = op.get_context().dialect.name == "postgresql"
    for name in _POSTGRES_GUARDS if on_postgres else _GUARDS:
        op.execute(f"DROP TRIGGER correction_{name}" + on_postgres * " ON correction")


def _guard(guards: dict[str, str], refuse: str) -> None:
    for name, when in guards.items():
        op.execute(f"CREATE TRIGGER correction_{name} {when} {refuse}")
