"""Deployments and their revisions: a change is written down before it is published, and completed or withdrawn after.

A process that is killed in between leaves a revision ``proposed``; whoever comes next compares it with what is active
and completes or withdraws it, so that state and gateway never tell two stories.
"""

import hashlib

import msgspec
from sqlalchemy import select
from sqlalchemy.orm import Session

from seatrial.releases.audit import write_entry
from seatrial.releases.database import Database
from seatrial.releases.records import AuditEntry, DeploymentState, Revision, RevisionStatus
from seatrial.releases.run import ReleaseRun
from seatrial.releases.tables import DeploymentRow, ReleaseRow, RevisionRow
from seatrial.spec.errors import Conflict, NotFound


class Deployments:
    """The ``deployments``, ``releases`` and ``revisions`` tables."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self) -> tuple[DeploymentState, ...]:
        """Every deployment, by name."""
        with self._database.read() as session:
            rows = session.scalars(select(DeploymentRow).order_by(DeploymentRow.deployment))
            return tuple(_state_of(row) for row in rows)

    def find(self, deployment: str) -> DeploymentState | None:
        with self._database.read() as session:
            row = session.get(DeploymentRow, deployment)
            return _state_of(row) if row else None

    def get(self, deployment: str) -> DeploymentState:
        """The deployment's state; raises NotFound, naming those there are."""
        found = self.find(deployment)
        if found is not None:
            return found
        known = ", ".join(state.deployment for state in self.all())
        there = f"those there are: {known}" if known else "none has been applied yet"
        raise NotFound(f"there is no deployment {deployment!r} ({there}); seatrial apply FILE makes one.")

    def propose(self, after: DeploymentState, entry: AuditEntry) -> None:
        """Write down a change that needs a new revision, before it is published.

        Args:
            after: The state that holds once ``after.revision`` is active; its ``version`` is one more than the
                version it was decided on.
            entry: Written to the audit once it is active.

        Raises:
            Conflict: the deployment has changed since, or the revision is taken.
        """
        with self._database.write() as session:
            _check_version(session, after)
            if session.get(RevisionRow, (after.deployment, after.revision)) is not None:
                raise Conflict(
                    f"revision {after.revision} of deployment {after.deployment!r} is being made by somebody else; "
                    "try again when it is done."
                )
            session.add(
                RevisionRow(
                    deployment=after.deployment,
                    revision=after.revision,
                    status="proposed",
                    at=entry.at,
                    reason="",
                    after=_text(after),
                    entry=_text(entry),
                )
            )

    def complete(self, deployment: str, revision: int, at: int) -> DeploymentState:
        """A proposed revision is active: its state holds from now on, its audit entry is written. Safe to repeat."""
        with self._database.write() as session:
            row = self._revision_row(session, deployment, revision)
            after = msgspec.json.decode(row.after, type=DeploymentState)
            if row.status != "proposed":
                return after
            active = select(RevisionRow).where(RevisionRow.deployment == deployment, RevisionRow.status == "active")
            for earlier in session.scalars(active):
                earlier.status = "superseded"
                earlier.at = at
            row.status = "active"
            row.at = at
            _write_state(session, after, at)
            write_entry(session, msgspec.json.decode(row.entry, type=AuditEntry))
            return after

    def withdraw(self, deployment: str, revision: int, reason: str, at: int) -> None:
        """A proposed revision did not become active; the reason is kept, and audited."""
        with self._database.write() as session:
            row = self._revision_row(session, deployment, revision)
            if row.status != "proposed":
                return
            row.status = "withdrawn"
            row.reason = reason
            row.at = at
            entry = msgspec.json.decode(row.entry, type=AuditEntry)
            sentence = f"Revision {revision} was withdrawn ({entry.action} by {entry.actor}): {reason}"
            write_entry(
                session,
                msgspec.structs.replace(entry, at=at, action="withdrawn", why=reason, sentence=sentence),
            )

    def save(self, after: DeploymentState, entry: AuditEntry | None, at: int) -> DeploymentState:
        """A change that needs no new revision (a pause, a proposal, a note).

        Raises:
            Conflict: the deployment has changed since ``after`` was decided.
        """
        with self._database.write() as session:
            _check_version(session, after)
            _write_state(session, after, at)
            if entry is not None:
                write_entry(session, entry)
            return after

    def note_release(self, run: ReleaseRun, entry: AuditEntry) -> None:
        """Keep a release that never came into force, and why; the deployment stays as it is."""
        with self._database.write() as session:
            session.merge(_release_row(run))
            write_entry(session, entry)

    def pending(self, deployment: str) -> tuple[Revision, ...]:
        """Revisions that are proposed: one being published, or one that a killed process left."""
        return self.revisions(deployment, status="proposed")

    def revisions(self, deployment: str, status: RevisionStatus | None = None) -> tuple[Revision, ...]:
        """Every revision, ascending."""
        query = select(RevisionRow).where(RevisionRow.deployment == deployment).order_by(RevisionRow.revision)
        if status is not None:
            query = query.where(RevisionRow.status == status)
        with self._database.read() as session:
            return tuple(_revision_of(row) for row in session.scalars(query))

    def revision(self, deployment: str, revision: int) -> Revision:
        """One revision; raises NotFound."""
        with self._database.read() as session:
            return _revision_of(self._revision_row(session, deployment, revision))

    def highest_revision(self, deployment: str) -> int:
        """The highest revision ever proposed, 0 before the first."""
        found = self.revisions(deployment)
        return found[-1].revision if found else 0

    def releases(self, deployment: str) -> tuple[ReleaseRun, ...]:
        """Every release of the deployment, the oldest first."""
        query = select(ReleaseRow).where(ReleaseRow.deployment == deployment)
        with self._database.read() as session:
            rows = session.scalars(query.order_by(ReleaseRow.started_at, ReleaseRow.id))
            return tuple(msgspec.json.decode(row.run, type=ReleaseRun) for row in rows)

    @staticmethod
    def _revision_row(session: Session, deployment: str, revision: int) -> RevisionRow:
        row = session.get(RevisionRow, (deployment, revision))
        if row is None:
            raise NotFound(f"deployment {deployment!r} has no revision {revision}.")
        return row


def digest_of(text: str) -> str:
    """SHA-256 of a deployment file's text."""
    return hashlib.sha256(text.encode()).hexdigest()


def _check_version(session: Session, after: DeploymentState) -> None:
    row = session.get(DeploymentRow, after.deployment)
    stands = row.version if row else 0
    if after.version != stands + 1:
        raise Conflict(
            f"deployment {after.deployment!r} was changed by somebody else meanwhile; look at it and try again."
        )


def _write_state(session: Session, after: DeploymentState, at: int) -> None:
    session.merge(
        DeploymentRow(
            deployment=after.deployment,
            version=after.version,
            revision=after.revision,
            digest=digest_of(after.text),
            text=after.text,
            state=_text(after),
            updated_at=at,
        )
    )
    _end_other_releases(session, after, at)
    if after.run is not None:
        session.merge(_release_row(after.run))


def _end_other_releases(session: Session, after: DeploymentState, at: int) -> None:
    """A deployment has one release: when another took its place, the one before it was abandoned."""
    here = after.run.id if after.run is not None else ""
    query = select(ReleaseRow).where(
        ReleaseRow.deployment == after.deployment, ReleaseRow.ended_at.is_(None), ReleaseRow.id != here
    )
    for row in session.scalars(query):
        run = msgspec.json.decode(row.run, type=ReleaseRun)
        ended = msgspec.structs.replace(run, status="abandoned", ended_at=at)
        session.merge(_release_row(ended))


def _release_row(run: ReleaseRun) -> ReleaseRow:
    return ReleaseRow(
        id=run.id,
        deployment=run.deployment,
        status=run.status,
        champion_version=run.champion_version,
        challenger_version=run.challenger_version,
        started_at=run.started_at,
        ended_at=run.ended_at,
        run=_text(run),
    )


def _state_of(row: DeploymentRow) -> DeploymentState:
    return msgspec.json.decode(row.state, type=DeploymentState)


def _revision_of(row: RevisionRow) -> Revision:
    return Revision(
        deployment=row.deployment,
        revision=row.revision,
        status=row.status,  # type: ignore[arg-type]
        at=row.at,
        reason=row.reason,
        after=msgspec.json.decode(row.after, type=DeploymentState),
        entry=msgspec.json.decode(row.entry, type=AuditEntry),
    )


def _text(value: msgspec.Struct) -> str:
    return msgspec.json.encode(value).decode()
