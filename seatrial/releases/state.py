"""The state: what came of everybody's intent, who did it and why. One database, SQLite or PostgreSQL.

deployments   what is in force, releases and revisions        audit      who, when, why, what was seen and decided
alerts        what people should know                         verdicts   judgements over time
windows       what monitors saw, and how far they have read   commands   actions asked of the leader
notices       messages on their way to people                 mutes      what people do not want to be told
"""

from types import TracebackType
from typing import NamedTuple

from sqlalchemy import func, select

from seatrial.releases.alerts import Alerts
from seatrial.releases.audit import Audit
from seatrial.releases.commands import Commands
from seatrial.releases.database import Database
from seatrial.releases.deployments import Deployments
from seatrial.releases.mutes import Mutes
from seatrial.releases.notices import Notices
from seatrial.releases.seen import Marks, Verdicts, Windows
from seatrial.releases.tables import CommandRow, DeploymentRow


class Footing(NamedTuple):
    """What is asked of the leader and what is in force, in short: another one means that something has changed.

    Attributes:
        versions: Of all deployments, summed; each change of one counts it up.
        deployments: How many there are.
        asked: Commands that wait, or that a killed leader had taken.
    """

    versions: int
    deployments: int
    asked: int


class State:
    """The state at ``url``, its tables up to date.

    Raises:
        BadInput: the URL is of another kind of database, or its tables are of a newer Seatrial.
        Unavailable: the database does not answer.
    """

    def __init__(self, url: str) -> None:
        self._database = Database(url)
        self.deployments = Deployments(self._database)
        self.audit = Audit(self._database)
        self.alerts = Alerts(self._database)
        self.notices = Notices(self._database)
        self.mutes = Mutes(self._database)
        self.verdicts = Verdicts(self._database)
        self.windows = Windows(self._database)
        self.marks = Marks(self._database)
        self.commands = Commands(self._database)

    def footing(self) -> Footing:
        """What stands, in one look."""
        versions, count = func.coalesce(func.sum(DeploymentRow.version), 0), func.count(DeploymentRow.deployment)
        waiting = select(func.count(CommandRow.id)).where(CommandRow.status.in_(("waiting", "running")))
        with self._database.read() as session:
            found = session.execute(select(versions, count, waiting.scalar_subquery())).one()
        return Footing(*map(int, found))

    def close(self) -> None:
        """Close every connection; safe to repeat."""
        self._database.close()

    def __enter__(self) -> "State":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
