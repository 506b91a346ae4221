"""Alerts as they are kept: each told once, then sent until every receiver had it or sending was given up."""

from sqlalchemy import select

from seatrial.releases.database import Database
from seatrial.releases.records import Alert
from seatrial.releases.tables import AlertRow


class Alerts:
    """The ``alerts`` table."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, alert: Alert) -> bool:
        """Keep an alert; False when one of the same deployment and key is kept already."""
        with self._database.write() as session:
            query = select(AlertRow.id).where(AlertRow.deployment == alert.deployment, AlertRow.key == alert.key)
            if session.scalar(query) is not None:
                return False
            session.add(
                AlertRow(
                    deployment=alert.deployment,
                    at=alert.at,
                    event=alert.event,
                    key=alert.key,
                    severity=alert.severity,
                    sentence=alert.sentence,
                    details=alert.details,
                    sent_at=alert.sent_at,
                    attempts=alert.attempts,
                    error=alert.error,
                )
            )
            return True

    def of(self, deployment: str, *, limit: int | None = None) -> tuple[Alert, ...]:
        """Alerts of a deployment, the oldest first; with ``limit`` the newest so many."""
        query = select(AlertRow).where(AlertRow.deployment == deployment).order_by(AlertRow.id.desc()).limit(limit)
        with self._database.read() as session:
            return tuple(_alert_of(row) for row in reversed(list(session.scalars(query))))

    def unsent(self, most_attempts: int) -> tuple[Alert, ...]:
        """Alerts still to be sent, the oldest first; those tried ``most_attempts`` times are given up."""
        query = select(AlertRow).where(AlertRow.sent_at.is_(None), AlertRow.attempts < most_attempts)
        with self._database.read() as session:
            return tuple(_alert_of(row) for row in session.scalars(query.order_by(AlertRow.id)))

    def tried(self, alert: int, *, sent_at: int | None, error: str) -> None:
        """Note a try at sending; ``sent_at`` None when it failed."""
        with self._database.write() as session:
            row = session.get_one(AlertRow, alert)
            row.attempts += 1
            row.sent_at = sent_at
            row.error = error


def _alert_of(row: AlertRow) -> Alert:
    return Alert(
        id=row.id,
        deployment=row.deployment,
        at=row.at,
        event=row.event,
        key=row.key,
        severity=row.severity,  # type: ignore[arg-type]
        sentence=row.sentence,
        details=row.details,
        sent_at=row.sent_at,
        attempts=row.attempts,
        error=row.error,
    )
