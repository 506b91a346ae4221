"""Alerts as they are kept: each once, with what became of it and who took it on."""

from collections.abc import Iterable, Mapping

from sqlalchemy import select
from sqlalchemy.orm import Session

from seatrial.releases.audit import write_entry
from seatrial.releases.database import Database
from seatrial.releases.notices import alert_of, withdrawn, write_notice
from seatrial.releases.records import Alert, AuditEntry, Fate, Notice
from seatrial.releases.tables import AlertRow
from seatrial.spec.errors import NotFound


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
            session.add(AlertRow(**{name: getattr(alert, name) for name in _FIELDS if name != "id"}))
            return True

    def of(self, deployment: str, *, limit: int | None = None, since: int | None = None) -> tuple[Alert, ...]:
        """Alerts of a deployment, the oldest first; with ``limit`` the newest so many, with ``since`` none before."""
        query = select(AlertRow).where(AlertRow.deployment == deployment)
        if since is not None:
            query = query.where(AlertRow.at >= since)
        with self._database.read() as session:
            rows = list(session.scalars(query.order_by(AlertRow.id.desc()).limit(limit)))
        return tuple(alert_of(row) for row in reversed(rows))

    def after(self, deployment: str, alert: int) -> tuple[Alert, ...]:
        """Alerts kept after the one whose id is ``alert``, the oldest first."""
        query = select(AlertRow).where(AlertRow.deployment == deployment, AlertRow.id > alert).order_by(AlertRow.id)
        with self._database.read() as session:
            return tuple(alert_of(row) for row in session.scalars(query))

    def get(self, deployment: str, alert: int) -> Alert:
        """One alert. Raises NotFound."""
        with self._database.read() as session:
            return alert_of(_row(session, deployment, alert))

    def undecided(self) -> tuple[Alert, ...]:
        """Alerts of which it is not decided whether anybody is told at once, the oldest first."""
        query = select(AlertRow).where(AlertRow.fate == "").order_by(AlertRow.id)
        with self._database.read() as session:
            return tuple(alert_of(row) for row in session.scalars(query))

    def decide(self, fates: Mapping[int, tuple[Fate, str]], notices: Iterable[Notice]) -> None:
        """Keep what becomes of alerts together with the messages that come of it: all of it, or nothing."""
        with self._database.write() as session:
            for alert, (fate, why) in fates.items():
                row = session.get_one(AlertRow, alert)
                row.fate, row.fate_why = fate, why
            for notice in notices:
                write_notice(session, notice)

    def acknowledge(self, deployment: str, alert: int, entry: AuditEntry) -> Alert:
        """Somebody takes an alert upon them; audited. Messages that wait with nothing else are withdrawn.

        Raises:
            NotFound: There is no such alert.
        """
        with self._database.write() as session:
            row = _row(session, deployment, alert)
            row.acked_at, row.acked_by, row.ack_why = entry.at, entry.actor, entry.why
            write_entry(session, withdrawn(session, deployment, lambda other: other.acked_at is not None, entry))
            return alert_of(row)


_FIELDS = Alert.__struct_fields__


def _row(session: Session, deployment: str, alert: int) -> AlertRow:
    row = session.get(AlertRow, alert)
    if row is None or row.deployment != deployment:
        raise NotFound(f"there is no alert {alert} of {deployment!r}; `seatrial alerts list {deployment}` lists them")
    return row
