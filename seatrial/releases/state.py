"""The state: what came of everybody's intent, who did it and why. One database, SQLite or PostgreSQL.

deployments   what is in force, releases and revisions        audit      who, when, why, what was seen and decided
alerts        what people should know                         verdicts   judgements over time
windows       what monitors saw, and how far they have read   commands   actions asked of the leader
"""

from types import TracebackType

from seatrial.releases.alerts import Alerts
from seatrial.releases.audit import Audit
from seatrial.releases.commands import Commands
from seatrial.releases.database import Database
from seatrial.releases.deployments import Deployments
from seatrial.releases.seen import Marks, Verdicts, Windows


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
        self.verdicts = Verdicts(self._database)
        self.windows = Windows(self._database)
        self.marks = Marks(self._database)
        self.commands = Commands(self._database)

    def close(self) -> None:
        """Close every connection; safe to repeat."""
        self._database.close()

    def __enter__(self) -> "State":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
