"""When each lane may be claimed, kept by triggers; indexes for what is old; who does what when."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from attendance.db.base import UtcTime, only_where

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
# On PostgreSQL transactions overlap. Whoever works a lane's time out holds the chat's row, and
# looks at the messages only then: so he sees what the last one to hold it has committed.
_READY_ON_POSTGRES = """CREATE FUNCTION chat_ready(lanes text[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 FROM chat WHERE chat_id = ANY (lanes) ORDER BY chat_id FOR NO KEY UPDATE;
    UPDATE chat SET ready_at = (
        SELECT greatest(due_at, chat.hold_until, chat.next_at)
        FROM outbox WHERE id = coalesce(
            (SELECT id FROM outbox WHERE lane = chat.chat_id
             AND status = 'sending' AND (digest_id IS NULL OR digest_id = id)),
            (SELECT min(id) FROM outbox WHERE lane = chat.chat_id
             AND status IN ('pending', 'sending'))))
    WHERE chat_id = ANY (lanes);
END $$"""
# A new message behind others changes nothing, and must not wait for whoever holds the chat's row,
# nor have others wait for its commit. But whoever takes the last message out of a lane does not see
# it yet, and would leave it without a time: he waits for those on their way in (the lane's gate).
# A message is the head also where one with a later id was committed first.
_POSTGRES_FUNCTIONS = {
    "chat_gate": """CREATE FUNCTION chat_gate(lane text) RETURNS bigint LANGUAGE sql IMMUTABLE
        AS $$ SELECT hashtextextended('lane ' || lane, 0) $$""",
    "chat_ready": _READY_ON_POSTGRES,
    "chat_ready_inserted": """CREATE FUNCTION chat_ready_inserted() RETURNS trigger
        LANGUAGE plpgsql AS $$ BEGIN
            PERFORM pg_advisory_xact_lock_shared(chat_gate(NEW.lane));
            IF EXISTS (SELECT 1 FROM chat WHERE chat_id = NEW.lane AND ready_at IS NULL)
                OR NOT EXISTS (SELECT 1 FROM outbox WHERE lane = NEW.lane
                    AND status IN ('pending', 'sending')
                    AND (id < NEW.id OR status = 'sending')) THEN
                PERFORM chat_ready(ARRAY[NEW.lane]);
            END IF;
            RETURN NULL;
        END $$""",
    "chat_ready_left": """CREATE FUNCTION chat_ready_left(left_lane text) RETURNS void
        LANGUAGE plpgsql AS $$ BEGIN
            IF NOT EXISTS (SELECT 1 FROM outbox WHERE lane = left_lane
                AND status IN ('pending', 'sending')) THEN
                PERFORM pg_advisory_xact_lock(chat_gate(left_lane));
            END IF;
        END $$""",
    "chat_ready_updated": """CREATE FUNCTION chat_ready_updated() RETURNS trigger
        LANGUAGE plpgsql AS $$ BEGIN
            IF OLD.settled_at IS NULL THEN
                PERFORM chat_ready_left(OLD.lane);
            END IF;
            PERFORM chat_ready(ARRAY[OLD.lane, NEW.lane]);
            RETURN NULL;
        END $$""",
    "chat_ready_deleted": """CREATE FUNCTION chat_ready_deleted() RETURNS trigger
        LANGUAGE plpgsql AS $$ BEGIN
            PERFORM chat_ready_left(OLD.lane);
            PERFORM chat_ready(ARRAY[OLD.lane]);
            RETURN NULL;
        END $$""",
    "chat_ready_waits": """CREATE FUNCTION chat_ready_waits() RETURNS trigger
        LANGUAGE plpgsql AS $$ BEGIN
            PERFORM chat_ready(ARRAY[NEW.chat_id]);
            RETURN NULL;
        END $$""",
}
_POSTGRES_TRIGGERS = {
    "chat_ready_after_insert": (
        "AFTER INSERT ON outbox FOR EACH ROW WHEN (NEW.settled_at IS NULL AND NEW.lane <> '')",
        "chat_ready_inserted",
    ),
    "chat_ready_after_update": (
        "AFTER UPDATE OF status, due_at, lane ON outbox FOR EACH ROW",
        "chat_ready_updated",
    ),
    "chat_ready_after_delete": (
        "AFTER DELETE ON outbox FOR EACH ROW WHEN (OLD.settled_at IS NULL)",
        "chat_ready_deleted",
    ),
    "chat_ready_after_wait": (
        "AFTER UPDATE OF hold_until, next_at ON chat FOR EACH ROW",
        "chat_ready_waits",
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
    if op.get_context().dialect.name == "postgresql":
        _create_postgres_triggers()
    else:
        for name, (when, action) in _TRIGGERS.items():
            op.execute(f"CREATE TRIGGER {name} {when} BEGIN {action}; END")
        op.execute(_READY)
    for index, table, columns, where in _INDEXES:
        op.create_index(index, table, columns, **only_where(where))
    op.create_index(op.f("ix_outbox_stoppage_ended_at"), "outbox_stoppage", ["ended_at"])
    _create_turn()


def downgrade() -> None:
    op.drop_table("turn")
    op.drop_index(op.f("ix_outbox_stoppage_ended_at"), "outbox_stoppage")
    for index, table, _, _ in _INDEXES:
        op.drop_index(index, table)
    if op.get_context().dialect.name == "postgresql":
        for function in reversed(_POSTGRES_FUNCTIONS):
            op.execute(f"DROP FUNCTION {function} CASCADE")
    else:
        for name in _TRIGGERS:
            op.execute(f"DROP TRIGGER {name}")
    op.drop_column("chat", "ready_at")


def _create_postgres_triggers() -> None:
    for function in _POSTGRES_FUNCTIONS.values():
        op.execute(function)
    for name, (when, function_name) in _POSTGRES_TRIGGERS.items():
        op.execute(f"CREATE TRIGGER {name} {when} EXECUTE FUNCTION {function_name}()")
    op.execute("SELECT chat_ready(array(SELECT chat_id FROM chat))")


def _create_turn() -> None:
    op.create_table(
        "turn",
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("next_at", UtcTime(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_turn")),
    )
