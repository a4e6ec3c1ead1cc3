"""Since when a chat refuses us, over the times that it seemed to accept us again."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from attendance.db.base import UtcTime

revision: str = "0005"
down_revision: str | None = "0004"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("chat", sa.Column("refused_since", UtcTime(), nullable=True))


def downgrade() -> None:
    op.drop_column("chat", "refused_since")
