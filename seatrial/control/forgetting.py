"""Forgetting a unit on request: the ledger deletes, the audit says that it was done, and not whom it was about."""

from seatrial.control.crowds import forget_warmth
from seatrial.control.site import microseconds
from seatrial.ledger.forget import Forgot, forget, names_known
from seatrial.releases.records import AuditEntry
from seatrial.releases.state import State
from seatrial.spec.settings import Settings


def forget_unit(settings: Settings, unit: str, *, actor: str) -> Forgot:
    """Delete every row and outcome of ``unit``, and note in the audit of each deployment how many rows it lost.

    Raises:
        Unavailable: somebody else held the ledger's tables for too long; nothing was deleted.
    """
    with State(settings.state_url) as state:
        now = microseconds()
        names = names_known(settings.home, unit)
        forgot = forget(settings.home, unit, now=now)
        for name in names:
            forget_warmth(settings.home, name)
        for deployment, rows in forgot.rows.items():
            state.audit.add(
                AuditEntry(
                    deployment=deployment,
                    at=now,
                    action="forget",
                    actor=actor,
                    why="a unit asked to be forgotten",
                    sentence=f"{rows} row{'s' * (rows != 1)} of one unit {'was' if rows == 1 else 'were'} deleted.",
                )
            )
        return forgot
