"""Messages on their way to people: written with the decision to send them, kept until they were taken."""

from collections.abc import Callable

import msgspec
from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from seatrial.releases.audit import write_entry
from seatrial.releases.database import Database
from seatrial.releases.records import Alert, AuditEntry, Notice
from seatrial.releases.tables import AlertRow, NoticeRow


class Notices:
    """The ``notices`` table."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, notice: Notice) -> None:
        with self._database.write() as session:
            write_notice(session, notice)

    def open(self) -> tuple[Notice, ...]:
        """Messages that nobody has taken yet, the oldest first."""
        query = select(NoticeRow).where(NoticeRow.sent_at.is_(None), NoticeRow.given_up_at.is_(None))
        with self._database.read() as session:
            return tuple(_notice_of(row) for row in session.scalars(query.order_by(NoticeRow.at, NoticeRow.id)))

    def get(self, notice: str) -> Notice | None:
        with self._database.read() as session:
            row = session.get(NoticeRow, notice)
            return _notice_of(row) if row is not None else None

    def of(self, deployment: str, *, limit: int | None = None) -> tuple[Notice, ...]:
        """Messages about a deployment, the oldest first; with ``limit`` the newest so many."""
        query = select(NoticeRow).where(NoticeRow.deployment == deployment)
        with self._database.read() as session:
            rows = list(session.scalars(query.order_by(NoticeRow.at.desc(), NoticeRow.id.desc()).limit(limit)))
        return tuple(_notice_of(row) for row in reversed(rows))

    def receivers(self, deployment: str) -> dict[int, tuple[str, ...]]:
        """To whom messages of each alert were made out, by the alert's id; not those that were given up."""
        query = select(NoticeRow).where(
            NoticeRow.deployment == deployment, NoticeRow.kind == "alert", NoticeRow.given_up_at.is_(None)
        )
        found: dict[int, tuple[str, ...]] = {}
        with self._database.read() as session:
            for row in session.scalars(query.order_by(NoticeRow.at, NoticeRow.id)):
                for alert in _notice_of(row).alerts:
                    found[alert] = (*found.get(alert, ()), row.to)
        return found

    def made_since(self, at: int) -> dict[str, int]:
        """How many alerts were made out to each receiver after a moment, over all deployments."""
        query = select(NoticeRow.to, func.count(NoticeRow.id)).where(NoticeRow.kind == "alert", NoticeRow.at > at)
        with self._database.read() as session:
            return {to: int(number) for to, number in session.execute(query.group_by(NoticeRow.to))}

    def tried(
        self,
        notice: str,
        *,
        at: int,
        error: str,
        due_at: int = 0,
        give_up: bool = False,
        entry: AuditEntry | None = None,
    ) -> None:
        """Note a try: ``error`` "" when it was taken, else it is due again or given up; ``entry`` for the audit."""
        with self._database.write() as session:
            row = session.get_one(NoticeRow, notice)
            row.attempts += 1
            row.error = error
            row.due_at = due_at
            row.sent_at = None if error else at
            # What was withdrawn while it was under way may have arrived; it is not tried again.
            row.given_up_at = None if not error else row.given_up_at or (at if give_up else None)
            for alert in _notice_of(row).alerts:
                _note(session, alert, notice, at=at, error=error)
            if entry is not None:
                write_entry(session, entry)

    def clear(self, before: int) -> None:
        """Forget what was taken or given up before a moment."""
        done = or_(NoticeRow.sent_at < before, NoticeRow.given_up_at < before)
        with self._database.write() as session:
            for row in session.scalars(select(NoticeRow).where(done)):
                session.delete(row)


def withdrawn(session: Session, deployment: str, heeded: Callable[[Alert], bool], entry: AuditEntry) -> AuditEntry:
    """Give up messages that only hold alerts that somebody has heeded; the audit's entry, which says so.

    A message that holds another alert, too, still goes out as it is.
    """
    query = select(NoticeRow).where(
        NoticeRow.deployment == deployment,
        NoticeRow.kind.in_(("alert", "recovery")),
        NoticeRow.sent_at.is_(None),
        NoticeRow.given_up_at.is_(None),
    )
    given_up = 0
    for row in session.scalars(query):
        alerts = [session.get_one(AlertRow, alert) for alert in _notice_of(row).alerts]
        if alerts and all(heeded(alert_of(alert)) for alert in alerts):
            row.given_up_at, row.error = entry.at, f"withdrawn: {entry.actor}: {entry.why}"
            given_up += 1
            for alert in alerts:
                alert.fate, alert.fate_why = "digest", f"{entry.actor} heeded it before it was sent: {entry.why}"
    if not given_up:
        return entry
    some = "1 message" if given_up == 1 else f"{given_up} messages"
    return msgspec.structs.replace(entry, sentence=f"{entry.sentence} Withdrawn before it was sent: {some}.")


def alert_of(row: AlertRow) -> Alert:
    return Alert(**{name: getattr(row, name) for name in Alert.__struct_fields__})


def write_notice(session: Session, notice: Notice) -> None:
    """Keep a message, within a change that is being written; one that is kept already stays as it is."""
    if session.get(NoticeRow, notice.id) is None:
        values = {name: getattr(notice, name) for name in _FIELDS}
        session.add(NoticeRow(**(values | {"alerts": ",".join(map(str, notice.alerts))})))


def _note(session: Session, alert: int, notice: str, *, at: int, error: str) -> None:
    """An alert is sent when every message that holds it was taken."""
    row = session.get(AlertRow, alert)
    if row is None:
        return
    row.attempts += 1
    others = session.scalars(
        select(NoticeRow).where(
            NoticeRow.deployment == row.deployment, NoticeRow.id != notice, NoticeRow.sent_at.is_(None)
        )
    )
    waiting = [other for other in others if str(alert) in other.alerts.split(",")]
    row.error = error or next((other.error for other in waiting if other.error), "")
    row.sent_at = None if error or waiting else at


_FIELDS = Notice.__struct_fields__


def _notice_of(row: NoticeRow) -> Notice:
    values = {name: getattr(row, name) for name in _FIELDS}
    return Notice(**(values | {"alerts": tuple(int(alert) for alert in row.alerts.split(",") if alert)}))
