"""When each lane may be claimed, kept by triggers; indexes for what is old; who does what when."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from attendance.db import UtcTime

revision: str = "0006"
down_revision: str | None = "0005"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

_READY = """UPDATE chat SET ready_at = (
    SELECT max(due_at, coalesce(chat.hold_until, due_at), coalesce(chat.next_at, due_at))
    FROM outbox WHERE id = coalesce(
        (SELECT id FROM outbox WHERE lane = chat.chat_id
         AND status = 'sending' AND (digest_id IS NULL OR digest_id = id)),
        (SELECT min(id) FROM outbox WHERE lane = chat.chat_id
         AND status IN ('pending', 'sending'))))"""
_TRIGGERS = {
    "chat_ready_after_insert": (
        "AFTER INSERT ON outbox WHEN NEW.settled_at IS NULL",
        f"{_READY} WHERE chat_id = NEW.lane AND ready_at IS NULL",
    ),
    "chat_ready_after_update": (
        "AFTER UPDATE OF status, due_at, lane ON outbox",
        f"{_READY} WHERE chat_id IN (OLD.lane, NEW.lane)",
    ),
    "chat_ready_after_delete": (
        "AFTER DELETE ON outbox WHEN OLD.settled_at IS NULL",
        f"{_READY} WHERE chat_id = OLD.lane",
    ),
    "chat_ready_after_wait": (
        "AFTER UPDATE OF hold_until, next_at ON chat",
        f"{_READY} WHERE chat_id = NEW.chat_id",
    ),
}
_INDEXES = (
    ("ix_chat_ready", "chat", ["ready_at"], "parked_at IS NULL AND ready_at IS NOT NULL"),
    ("ix_chat_parked", "chat", ["parked_at"], "parked_at IS NOT NULL AND ready_at IS NOT NULL"),
    ("ix_chat_probe", "chat", ["probe_at"], "probe_at IS NOT NULL"),
    (
        "ix_outbox_digest",
        "outbox",
        ["lane", "id"],
        "status IN ('pending', 'sending') AND digest_id IS NOT NULL",
    ),
    ("ix_outbox_settled", "outbox", ["settled_at"], "status IN ('sent', 'cancelled')"),
)


def upgrade() -> None:
    op.add_column("chat", sa.Column("ready_at", UtcTime(), nullable=True))
    for name, (when, action) in _TRIGGERS.items():
        op.execute(f"CREATE TRIGGER {name} {when} BEGIN {action}; END")
    op.execute(_READY)
    for index, table, columns, where in _INDEXES:
        op.create_index(index, table, columns, sqlite_where=sa.text(where))
    op.create_index(op.f("ix_outbox_stoppage_ended_at"), "outbox_stoppage", ["ended_at"])
    _create_turn()


def downgrade() -> None:
    op.drop_table("turn")
    op.drop_index(op.f("ix_outbox_stoppage_ended_at"), "outbox_stoppage")
    for index, table, _, _ in _INDEXES:
        op.drop_index(index, table)
    for name in _TRIGGERS:
        op.execute(f"DROP TRIGGER {name}")
    op.drop_column("chat", "ready_at")


def _create_turn() -> None:
    op.create_table(
        "turn",
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("next_at", UtcTime(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_turn")),
    )
