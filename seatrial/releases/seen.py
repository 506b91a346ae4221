"""What the loop has seen: judgements over time, the windows of monitors, and how far each monitor has read."""

from collections.abc import Iterable, Mapping

from sqlalchemy import case, func, select

from seatrial.releases.database import Database
from seatrial.releases.records import VerdictRecord, WindowRecord
from seatrial.releases.tables import MarkRow, VerdictRow, WindowRow


class Verdicts:
    """The ``verdicts`` table."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, record: VerdictRecord) -> None:
        with self._database.write() as session:
            session.add(VerdictRow(**{name: getattr(record, name) for name in record.__struct_fields__}))

    def of(self, deployment: str, *, release: str | None = None, limit: int | None = None) -> tuple[VerdictRecord, ...]:
        """Judgements, the oldest first; with ``limit`` the newest so many."""
        query = select(VerdictRow).where(VerdictRow.deployment == deployment).order_by(VerdictRow.id.desc())
        if release is not None:
            query = query.where(VerdictRow.release == release)
        with self._database.read() as session:
            rows = list(session.scalars(query.limit(limit)))
        fields = VerdictRecord.__struct_fields__
        return tuple(VerdictRecord(**{name: getattr(row, name) for name in fields}) for row in reversed(rows))

    def last(self, deployment: str, release: str) -> VerdictRecord | None:
        found = self.of(deployment, release=release, limit=1)
        return found[0] if found else None


class Windows:
    """The ``windows`` table."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, records: Iterable[WindowRecord], *, deployment: str, marks: Mapping[str, int]) -> None:
        """Keep windows and, in the same step, how far they were read; a window seen again replaces itself."""
        with self._database.write() as session:
            for record in records:
                session.merge(WindowRow(**{name: getattr(record, name) for name in record.__struct_fields__}))
            for name, at in marks.items():
                session.merge(MarkRow(deployment=deployment, name=name, at=at))

    def last(
        self,
        deployment: str,
        *,
        monitor: str,
        variant: str,
        version: str,
        since: int,
        most: int,
        before: int | None = None,
    ) -> tuple[WindowRecord, ...]:
        """The newest windows of one version that end after ``since`` and begin before ``before``, in order of time."""
        query = select(WindowRow).where(
            WindowRow.deployment == deployment,
            WindowRow.monitor == monitor,
            WindowRow.variant == variant,
            WindowRow.version == version,
            WindowRow.end > since,
        )
        if before is not None:
            query = query.where(WindowRow.start < before)
        fields = WindowRecord.__struct_fields__
        with self._database.read() as session:
            rows = list(session.scalars(query.order_by(WindowRow.start.desc()).limit(most)))
        return tuple(WindowRecord(**{name: getattr(row, name) for name in fields}) for row in reversed(rows))

    def of(self, deployment: str, *, monitor: str | None = None, since: int | None = None) -> tuple[WindowRecord, ...]:
        """Windows in order of time, those that end after ``since``."""
        query = select(WindowRow).where(WindowRow.deployment == deployment)
        if monitor is not None:
            query = query.where(WindowRow.monitor == monitor)
        if since is not None:
            query = query.where(WindowRow.end > since)
        order = (WindowRow.start, WindowRow.monitor, WindowRow.version)
        fields = WindowRecord.__struct_fields__
        with self._database.read() as session:
            rows = session.scalars(query.order_by(*order))
            return tuple(WindowRecord(**{name: getattr(row, name) for name in fields}) for row in rows)

    def at_rest(self, deployment: str, *, monitor: str, variant: str, since: int, before: int) -> int | None:
        """When the oldest of a variant's windows begins, of those that end after ``since`` and begin before ``before``.

        Microseconds since 1970 UTC; None where there is none, and where one of them showed something.
        """
        severity = WindowRow.severity
        query = select(
            func.min(WindowRow.start), func.max(case((severity.in_(("none", "no-data")), 0), else_=1))
        ).where(
            WindowRow.deployment == deployment,
            WindowRow.monitor == monitor,
            WindowRow.variant == variant,
            WindowRow.end > since,
            WindowRow.start < before,
        )
        with self._database.read() as session:
            oldest, showed = session.execute(query).one()
        return None if oldest is None or showed else int(oldest)


class Marks:
    """The ``marks`` table: how far something has been read, one number by deployment and name."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, deployment: str, name: str) -> int | None:
        """The mark, or None before the first."""
        with self._database.read() as session:
            row = session.get(MarkRow, (deployment, name))
            return row.at if row else None

    def put(self, deployment: str, name: str, at: int) -> None:
        with self._database.write() as session:
            session.merge(MarkRow(deployment=deployment, name=name, at=at))
