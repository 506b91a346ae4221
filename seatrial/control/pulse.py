"""When a whole step of the loop is due: when something has changed, and once a second.

A step looks at every deployment, which costs some milliseconds each. Whether a person asks for something, a file was
applied or a version went into quarantine is one question to the database and one to the file system, so that is asked
more often, and answers people quickly without keeping a core busy.
"""

from seatrial.control.site import Site
from seatrial.ledger.quarantine import QuarantineWatch
from seatrial.releases.state import Footing

SECONDS = 1.0


class Pulse:
    """Asked before each step.

    Args:
        site: What the loop acts on.
        seconds: The longest that a whole step is left out, by ``site.monotonic``.
    """

    def __init__(self, site: Site, seconds: float = SECONDS) -> None:
        self._site = site
        self._seconds = seconds
        self._watch = QuarantineWatch(site.home)
        self._footing: Footing | None = None
        self._left: Footing | None = None
        self._stepped = 0.0

    def is_due(self) -> bool:
        """Whether to step now. Raises Unavailable when the state does not answer."""
        changed = self._watch.changed() is not None
        self._footing = self._site.state.footing()
        return changed or self._footing != self._left or self._site.monotonic() - self._stepped >= self._seconds

    def stepped(self) -> None:
        """The step that was due was made. What it has changed itself, or came meanwhile, makes another one due."""
        self._left = self._footing
        self._stepped = self._site.monotonic()
