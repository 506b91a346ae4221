"""Actions that people ask of the leader: rows that wait, are taken once, and are answered in place."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from seatrial.releases.database import Database
from seatrial.releases.records import Command
from seatrial.releases.tables import CommandRow
from seatrial.spec.errors import NotFound


class Commands:
    """The ``commands`` table."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def ask(self, command: Command) -> None:
        """Leave a command for whoever leads."""
        with self._database.write() as session:
            session.add(CommandRow(**{name: getattr(command, name) for name in command.__struct_fields__}))

    def get(self, command: str) -> Command:
        with self._database.read() as session:
            return _command_of(_row(session, command))

    def open(self) -> tuple[Command, ...]:
        """Commands that wait, the oldest first, and those that a killed leader had taken."""
        query = select(CommandRow).where(CommandRow.status.in_(("waiting", "running")))
        with self._database.read() as session:
            return tuple(_command_of(row) for row in session.scalars(query.order_by(CommandRow.at, CommandRow.id)))

    def take(self, command: str) -> bool:
        """Begin a command; False when it was begun, answered or withdrawn by somebody."""
        with self._database.write() as session:
            row = _row(session, command)
            if row.status != "waiting":
                return False
            row.status = "running"
            return True

    def answer(self, command: str, *, at: int, answer: str, failed: bool = False, code: int = 0) -> None:
        """End a command; ``code`` is the status of the error when it failed."""
        with self._database.write() as session:
            row = _row(session, command)
            row.status = "failed" if failed else "done"
            row.answered_at = at
            row.answer = answer
            row.code = code


def _row(session: Session, command: str) -> CommandRow:
    row = session.get(CommandRow, command)
    if row is None:
        raise NotFound(f"there is no command {command!r}.")
    return row


def _command_of(row: CommandRow) -> Command:
    return Command(**{name: getattr(row, name) for name in Command.__struct_fields__})
