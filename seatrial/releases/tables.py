"""The tables of the state, for SQLAlchemy; whoever changes them writes a migration beside.

Times are microseconds since 1970 UTC; values that only their writer reads inside are JSON text.
"""

from sqlalchemy import BigInteger, Index, Integer, String, Text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

_NAME = 200
_Serial = BigInteger().with_variant(Integer, "sqlite")  # SQLite numbers rows by itself for INTEGER only


class Base(DeclarativeBase):
    """Parent of every table."""


class DeploymentRow(Base):
    __tablename__ = "deployments"

    deployment: Mapped[str] = mapped_column(String(_NAME), primary_key=True)
    version: Mapped[int] = mapped_column(BigInteger)
    revision: Mapped[int] = mapped_column(BigInteger)
    digest: Mapped[str] = mapped_column(String(64))
    text: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(Text)
    updated_at: Mapped[int] = mapped_column(BigInteger)


class ReleaseRow(Base):
    __tablename__ = "releases"

    id: Mapped[str] = mapped_column(String(_NAME), primary_key=True)
    deployment: Mapped[str] = mapped_column(String(_NAME), index=True)
    status: Mapped[str] = mapped_column(String(32))
    champion_version: Mapped[str] = mapped_column(String(2 * _NAME))
    challenger_version: Mapped[str] = mapped_column(String(2 * _NAME))
    started_at: Mapped[int] = mapped_column(BigInteger)
    ended_at: Mapped[int | None] = mapped_column(BigInteger)
    run: Mapped[str] = mapped_column(Text)


class RevisionRow(Base):
    __tablename__ = "revisions"

    deployment: Mapped[str] = mapped_column(String(_NAME), primary_key=True)
    revision: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    status: Mapped[str] = mapped_column(String(16))
    at: Mapped[int] = mapped_column(BigInteger)
    reason: Mapped[str] = mapped_column(Text)
    after: Mapped[str] = mapped_column(Text)
    entry: Mapped[str] = mapped_column(Text)


class AuditRow(Base):
    __tablename__ = "audit"
    __table_args__ = (Index("audit_of", "deployment", "id"),)

    id: Mapped[int] = mapped_column(_Serial, primary_key=True, autoincrement=True)
    deployment: Mapped[str] = mapped_column(String(_NAME))
    at: Mapped[int] = mapped_column(BigInteger)
    action: Mapped[str] = mapped_column(String(64))
    actor: Mapped[str] = mapped_column(String(_NAME))
    why: Mapped[str] = mapped_column(Text)
    sentence: Mapped[str] = mapped_column(Text)
    revision: Mapped[int] = mapped_column(BigInteger)
    release: Mapped[str] = mapped_column(String(_NAME))
    observed: Mapped[str] = mapped_column(Text)
    decision: Mapped[str] = mapped_column(Text)


class AlertRow(Base):
    __tablename__ = "alerts"
    __table_args__ = (Index("alerts_of", "deployment", "key", unique=True), Index("alerts_unsent", "sent_at"))

    id: Mapped[int] = mapped_column(_Serial, primary_key=True, autoincrement=True)
    deployment: Mapped[str] = mapped_column(String(_NAME))
    at: Mapped[int] = mapped_column(BigInteger)
    event: Mapped[str] = mapped_column(String(64))
    key: Mapped[str] = mapped_column(String(2 * _NAME))
    severity: Mapped[str] = mapped_column(String(16))
    sentence: Mapped[str] = mapped_column(Text)
    details: Mapped[str] = mapped_column(Text)
    sent_at: Mapped[int | None] = mapped_column(BigInteger)
    attempts: Mapped[int] = mapped_column(Integer)
    error: Mapped[str] = mapped_column(Text)
    fate: Mapped[str] = mapped_column(String(16), index=True)
    fate_why: Mapped[str] = mapped_column(Text)
    acked_at: Mapped[int | None] = mapped_column(BigInteger)
    acked_by: Mapped[str] = mapped_column(String(_NAME))
    ack_why: Mapped[str] = mapped_column(Text)


class NoticeRow(Base):
    __tablename__ = "notices"
    __table_args__ = (Index("notices_open", "sent_at", "given_up_at"), Index("notices_at", "at"))

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    deployment: Mapped[str] = mapped_column(String(_NAME))
    to: Mapped[str] = mapped_column("receiver", Text)
    kind: Mapped[str] = mapped_column(String(16))
    at: Mapped[int] = mapped_column(BigInteger)
    why: Mapped[str] = mapped_column(Text)
    message: Mapped[str] = mapped_column(Text)
    alerts: Mapped[str] = mapped_column(Text)
    due_at: Mapped[int] = mapped_column(BigInteger)
    attempts: Mapped[int] = mapped_column(Integer)
    sent_at: Mapped[int | None] = mapped_column(BigInteger)
    given_up_at: Mapped[int | None] = mapped_column(BigInteger)
    error: Mapped[str] = mapped_column(Text)


class MuteRow(Base):
    __tablename__ = "mutes"
    __table_args__ = (Index("mutes_of", "deployment", "until"),)

    id: Mapped[int] = mapped_column(_Serial, primary_key=True, autoincrement=True)
    deployment: Mapped[str] = mapped_column(String(_NAME))
    what: Mapped[str] = mapped_column(String(_NAME))
    at: Mapped[int] = mapped_column(BigInteger)
    until: Mapped[int] = mapped_column(BigInteger)
    by: Mapped[str] = mapped_column("actor", String(_NAME))
    why: Mapped[str] = mapped_column(Text)
    ended_at: Mapped[int | None] = mapped_column(BigInteger)


class VerdictRow(Base):
    __tablename__ = "verdicts"
    __table_args__ = (Index("verdicts_of", "deployment", "at"),)

    id: Mapped[int] = mapped_column(_Serial, primary_key=True, autoincrement=True)
    deployment: Mapped[str] = mapped_column(String(_NAME))
    release: Mapped[str] = mapped_column(String(_NAME))
    at: Mapped[int] = mapped_column(BigInteger)
    revision: Mapped[int] = mapped_column(BigInteger)
    stage: Mapped[str] = mapped_column(String(16))
    recommendation: Mapped[str] = mapped_column(String(32))
    judgement: Mapped[str] = mapped_column(Text)


class WindowRow(Base):
    __tablename__ = "windows"

    deployment: Mapped[str] = mapped_column(String(_NAME), primary_key=True)
    monitor: Mapped[str] = mapped_column(String(64), primary_key=True)
    version: Mapped[str] = mapped_column(String(2 * _NAME), primary_key=True)
    start: Mapped[int] = mapped_column("window_start", BigInteger, primary_key=True, autoincrement=False)
    end: Mapped[int] = mapped_column("window_end", BigInteger, primary_key=True, autoincrement=False)
    variant: Mapped[str] = mapped_column(String(_NAME))
    severity: Mapped[str] = mapped_column(String(16))
    window: Mapped[str] = mapped_column(Text)


class MarkRow(Base):
    __tablename__ = "marks"

    deployment: Mapped[str] = mapped_column(String(_NAME), primary_key=True)
    name: Mapped[str] = mapped_column(String(_NAME), primary_key=True)
    at: Mapped[int] = mapped_column(BigInteger)


class CommandRow(Base):
    __tablename__ = "commands"
    __table_args__ = (Index("commands_waiting", "status", "at"),)

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    deployment: Mapped[str] = mapped_column(String(_NAME))
    at: Mapped[int] = mapped_column(BigInteger)
    kind: Mapped[str] = mapped_column(String(32))
    actor: Mapped[str] = mapped_column(String(_NAME))
    arguments: Mapped[str] = mapped_column(Text)
    status: Mapped[str] = mapped_column(String(16))
    answered_at: Mapped[int | None] = mapped_column(BigInteger)
    answer: Mapped[str] = mapped_column(Text)
    code: Mapped[int] = mapped_column(Integer)
