"""The first tables: deployments, releases, revisions, audit, alerts, verdicts, windows, marks, commands."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Create every table."""
    _intent_and_state()
    _what_happened()
    _what_was_seen()
    op.create_table(
        "commands",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("deployment", sa.String(200), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("actor", sa.String(200), nullable=False),
        sa.Column("arguments", sa.Text(), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("answered_at", sa.BigInteger(), nullable=True),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("code", sa.Integer(), nullable=False),
    )
    op.create_index("commands_waiting", "commands", ["status", "at"])


def _intent_and_state() -> None:
    op.create_table(
        "deployments",
        sa.Column("deployment", sa.String(200), primary_key=True),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "releases",
        sa.Column("id", sa.String(200), primary_key=True),
        sa.Column("deployment", sa.String(200), nullable=False),
        sa.Column("status", sa.String(32), nullable=False),
        sa.Column("champion_version", sa.String(400), nullable=False),
        sa.Column("challenger_version", sa.String(400), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("run", sa.Text(), nullable=False),
    )
    op.create_index("ix_releases_deployment", "releases", ["deployment"])
    op.create_table(
        "revisions",
        sa.Column("deployment", sa.String(200), primary_key=True),
        sa.Column("revision", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("after", sa.Text(), nullable=False),
        sa.Column("entry", sa.Text(), nullable=False),
    )


def _what_happened() -> None:
    op.create_table(
        "audit",
        sa.Column("id", _SERIAL, primary_key=True, autoincrement=True),
        sa.Column("deployment", sa.String(200), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("action", sa.String(64), nullable=False),
        sa.Column("actor", sa.String(200), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("sentence", sa.Text(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("release", sa.String(200), nullable=False),
        sa.Column("observed", sa.Text(), nullable=False),
        sa.Column("decision", sa.Text(), nullable=False),
    )
    op.create_index("audit_of", "audit", ["deployment", "id"])
    op.create_table(
        "alerts",
        sa.Column("id", _SERIAL, primary_key=True, autoincrement=True),
        sa.Column("deployment", sa.String(200), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("event", sa.String(64), nullable=False),
        sa.Column("key", sa.String(400), nullable=False),
        sa.Column("severity", sa.String(16), nullable=False),
        sa.Column("sentence", sa.Text(), nullable=False),
        sa.Column("details", sa.Text(), nullable=False),
        sa.Column("sent_at", sa.BigInteger(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
    )
    op.create_index("alerts_of", "alerts", ["deployment", "key"], unique=True)
    op.create_index("alerts_unsent", "alerts", ["sent_at"])


def _what_was_seen() -> None:
    op.create_table(
        "verdicts",
        sa.Column("id", _SERIAL, primary_key=True, autoincrement=True),
        sa.Column("deployment", sa.String(200), nullable=False),
        sa.Column("release", sa.String(200), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("stage", sa.String(16), nullable=False),
        sa.Column("recommendation", sa.String(32), nullable=False),
        sa.Column("judgement", sa.Text(), nullable=False),
    )
    op.create_index("verdicts_of", "verdicts", ["deployment", "at"])
    op.create_table(
        "windows",
        sa.Column("deployment", sa.String(200), primary_key=True),
        sa.Column("monitor", sa.String(64), primary_key=True),
        sa.Column("version", sa.String(400), primary_key=True),
        sa.Column("window_start", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("window_end", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("variant", sa.String(200), nullable=False),
        sa.Column("severity", sa.String(16), nullable=False),
        sa.Column("window", sa.Text(), nullable=False),
    )
    op.create_table(
        "marks",
        sa.Column("deployment", sa.String(200), primary_key=True),
        sa.Column("name", sa.String(200), primary_key=True),
        sa.Column("at", sa.BigInteger(), nullable=False),
    )
