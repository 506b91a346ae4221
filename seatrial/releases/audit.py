"""The audit: who did what, when and why, in order; nothing is ever edited."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from seatrial.releases.database import Database
from seatrial.releases.records import AuditEntry
from seatrial.releases.tables import AuditRow


class Audit:
    """The ``audit`` table."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, entry: AuditEntry) -> None:
        with self._database.write() as session:
            write_entry(session, entry)

    def of(
        self, deployment: str, *, action: str | None = None, release: str | None = None, limit: int | None = None
    ) -> tuple[AuditEntry, ...]:
        """Entries of a deployment, the oldest first; with ``limit`` the newest so many."""
        query = select(AuditRow).where(AuditRow.deployment == deployment).order_by(AuditRow.id.desc())
        if action is not None:
            query = query.where(AuditRow.action == action)
        if release is not None:
            query = query.where(AuditRow.release == release)
        with self._database.read() as session:
            rows = list(session.scalars(query.limit(limit)))
        return tuple(_entry_of(row) for row in reversed(rows))

    def after(self, deployment: str, entry: int) -> tuple[AuditEntry, ...]:
        """Entries written after the one whose id is ``entry``, the oldest first."""
        query = select(AuditRow).where(AuditRow.deployment == deployment, AuditRow.id > entry).order_by(AuditRow.id)
        with self._database.read() as session:
            return tuple(_entry_of(row) for row in session.scalars(query))

    def last(self, deployment: str, action: str, release: str) -> AuditEntry | None:
        """The newest entry of that action and release, or None."""
        found = self.of(deployment, action=action, release=release, limit=1)
        return found[0] if found else None


def write_entry(session: Session, entry: AuditEntry) -> None:
    """Add ``entry`` within a change that is being written."""
    session.add(
        AuditRow(
            deployment=entry.deployment,
            at=entry.at,
            action=entry.action,
            actor=entry.actor,
            why=entry.why,
            sentence=entry.sentence,
            revision=entry.revision,
            release=entry.release,
            observed=entry.observed,
            decision=entry.decision,
        )
    )


def _entry_of(row: AuditRow) -> AuditEntry:
    return AuditEntry(
        id=row.id,
        deployment=row.deployment,
        at=row.at,
        action=row.action,
        actor=row.actor,
        why=row.why,
        sentence=row.sentence,
        revision=row.revision,
        release=row.release,
        observed=row.observed,
        decision=row.decision,
    )
