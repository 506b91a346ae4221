"""Acting by hand through the control port: the same actions as the command line's."""

from collections.abc import Callable

from seatrial.control import actions
from seatrial.control.perform import Done
from seatrial.spec.errors import BadInput
from seatrial.spec.settings import Settings

ACTIONS: dict[str, Callable[..., Done]] = {
    "promote": actions.promote,
    "rollback": actions.rollback,
    "pause": actions.pause,
    "resume": actions.resume,
}


def act(settings: Settings, deployment: str, action: str, *, actor: str, reason: str, **more: str) -> Done:
    """Do it; a reason must be given. Raises BadInput without one, and what the action itself raises."""
    if not reason.strip():
        raise BadInput(f"`{action}` needs a reason; the audit keeps it")
    return ACTIONS[action](deployment, settings, actor=actor, why=reason.strip(), **more)
