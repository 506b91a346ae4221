"""Mutes: what somebody does not want to be told at once, with a reason and an end."""

from collections.abc import Callable

from sqlalchemy import select

from seatrial.releases.audit import write_entry
from seatrial.releases.database import Database
from seatrial.releases.notices import withdrawn
from seatrial.releases.records import Alert, AuditEntry, Mute
from seatrial.releases.tables import MuteRow
from seatrial.spec.errors import NotFound


class Mutes:
    """The ``mutes`` table."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, mute: Mute, entry: AuditEntry, covers: Callable[[Alert], bool] = lambda _: False) -> Mute:
        """Keep a mute, audited; its id comes with it. Messages that hold nothing but what it covers are withdrawn."""
        with self._database.write() as session:
            row = MuteRow(**{name: getattr(mute, name) for name in _FIELDS if name != "id"})
            session.add(row)
            write_entry(session, withdrawn(session, mute.deployment, covers, entry))
            session.flush()
            return _mute_of(row)

    def active(self, deployment: str, now: int) -> tuple[Mute, ...]:
        """Mutes that hold now, the oldest first."""
        query = select(MuteRow).where(MuteRow.deployment == deployment, MuteRow.until > now, MuteRow.ended_at.is_(None))
        with self._database.read() as session:
            return tuple(_mute_of(row) for row in session.scalars(query.order_by(MuteRow.id)))

    def end(self, deployment: str, what: str, entry: AuditEntry) -> int:
        """End the mutes of ``what``, audited; how many there were. Raises NotFound when there is none."""
        query = select(MuteRow).where(
            MuteRow.deployment == deployment,
            MuteRow.what == what,
            MuteRow.until > entry.at,
            MuteRow.ended_at.is_(None),
        )
        with self._database.write() as session:
            rows = list(session.scalars(query))
            if not rows:
                raise NotFound(
                    f"{what!r} of {deployment!r} is not muted; `seatrial alerts list {deployment}` shows mutes"
                )
            for row in rows:
                row.ended_at = entry.at
            write_entry(session, entry)
            return len(rows)


_FIELDS = Mute.__struct_fields__


def _mute_of(row: MuteRow) -> Mute:
    return Mute(**{name: getattr(row, name) for name in _FIELDS})
