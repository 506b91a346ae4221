"""What becomes of alerts: their fate and who took them on, messages on their way, mutes."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Alerts that were sent before have been told; the others are given up, so that none is sent again."""
    with op.batch_alter_table("alerts") as alerts:
        alerts.add_column(sa.Column("fate", sa.String(16), nullable=False, server_default="told"))
        alerts.add_column(sa.Column("fate_why", sa.Text(), nullable=False, server_default=""))
        alerts.add_column(sa.Column("acked_at", sa.BigInteger(), nullable=True))
        alerts.add_column(sa.Column("acked_by", sa.String(200), nullable=False, server_default=""))
        alerts.add_column(sa.Column("ack_why", sa.Text(), nullable=False, server_default=""))
    op.create_index("ix_alerts_fate", "alerts", ["fate"])
    op.create_table(
        "notices",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("deployment", sa.String(200), nullable=False),
        sa.Column("receiver", sa.Text(), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("alerts", sa.Text(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("sent_at", sa.BigInteger(), nullable=True),
        sa.Column("given_up_at", sa.BigInteger(), nullable=True),
        sa.Column("error", sa.Text(), nullable=False),
    )
    op.create_index("notices_open", "notices", ["sent_at", "given_up_at"])
    op.create_index("notices_at", "notices", ["at"])
    op.create_table(
        "mutes",
        sa.Column("id", _SERIAL, primary_key=True, autoincrement=True),
        sa.Column("deployment", sa.String(200), nullable=False),
        sa.Column("what", sa.String(200), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.String(200), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
    )
    op.create_index("mutes_of", "mutes", ["deployment", "until"])
