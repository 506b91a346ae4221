"""Sends what waits in the outbox, each receiver in a thread of its own: one that hangs holds nobody up.

A message stays until it was taken; tries come with growing pauses, up to an hour, and end after a week, or after an
hour where the receiver says that it will not take this message (a 400, say). No message holds up the others of its
receiver: what was not tried goes first, and of these what is critical; a receiver that fails is left alone for a
moment. What was sent, to whom and why goes into the audit, and so does giving up. A killed process leaves the message
in the outbox; the next sends it again, under the same id.
"""

import logging
import threading
from collections.abc import Callable

import msgspec

from seatrial.control.change import LOOP
from seatrial.control.site import Site
from seatrial.control.telling_metrics import TellingMetrics
from seatrial.releases.records import AuditEntry, Notice
from seatrial.spec.errors import BadInput, SeatrialError
from seatrial.spec.secrets import resolve
from seatrial.watch.delivery import Post, Refusal, deliver
from seatrial.watch.telling import Message

FIRST_PAUSE, LONGEST_PAUSE = 5_000_000, 3_600_000_000
"""Microseconds between tries: doubling from the first to the longest."""
PATIENCE = 7 * 86_400_000_000
"""After so many microseconds a message is given up."""

PATIENCE_WITH_REFUSALS = 3_600_000_000
"""Likewise where the receiver refuses the message itself."""
LONGEST_REST = 60_000_000
"""Microseconds for which a receiver that fails is left alone at most, whatever waits for it."""

log = logging.getLogger("seatrial.control")


class _Ranked(msgspec.Struct):
    """What of a message decides which goes first."""

    severity: str


Start = Callable[[Callable[[], None]], None]


def in_thread(work: Callable[[], None]) -> None:
    """Do it in a thread that does not keep the process alive."""
    threading.Thread(target=work, name="postman", daemon=True).start()


def at_once(work: Callable[[], None]) -> None:
    """Do it here and now."""
    work()


class Postman:
    """Sends messages that are not taken yet: to each receiver one at a time, what is critical first, else the oldest.

    Args:
        site: Whose outbox.
        metrics: What was sent is counted.
        post: Posts to webhooks; None: over HTTP.
        start: How a try is made; None: in a thread, or here and now where ``post`` is given.
    """

    def __init__(
        self, site: Site, metrics: TellingMetrics, post: Post | None = None, start: Start | None = None
    ) -> None:
        self._site = site
        self._metrics = metrics
        self._post = post
        self._start = start or (in_thread if post is None else at_once)
        self._busy: set[str] = set()
        self._resting: dict[str, tuple[int, int]] = {}

    def send(self, now: int) -> int:
        """Begin what is due; how many messages wait."""
        waiting = self._site.state.notices.open()
        due: dict[str, list[Notice]] = {}
        for notice in waiting:
            rests = now < self._resting.get(notice.to, (0, 0))[0] <= now + LONGEST_REST
            if not rests and not now < self._due_at(notice, now):
                due.setdefault(notice.to, []).append(notice)
        for to, notices in due.items():
            if to not in self._busy:
                self._busy.add(to)
                first = min(notices, key=lambda notice: (notice.attempts > 0, not _is_critical(notice)))
                self._start(lambda notice=first: self._try(notice))  # type: ignore[misc]
        return len(waiting)

    def _due_at(self, notice: Notice, now: int) -> int:
        """When a message is due: now, where a clock that was wrong put it further away than any pause."""
        if notice.due_at <= now + LONGEST_PAUSE:
            return notice.due_at
        log.warning("a message to %s was due long after now, by a clock that was wrong; it is due now", notice.to)
        return now

    def _try(self, notice: Notice) -> None:
        try:
            error = self._deliver(notice)
            self._note(notice, error)
        except SeatrialError as trouble:  # the state is away: the message is still in it, and is tried again
            log.error("an alert to %s: %s", notice.to, trouble)
        finally:
            self._busy.discard(notice.to)

    def _deliver(self, notice: Notice) -> str:
        """Its secrets are put in here and never kept."""
        try:
            address = resolve(notice.to, self._site.environ)
            return deliver(address, msgspec.json.decode(notice.message, type=Message), self._post)
        except BadInput as error:
            return str(error)
        except Exception as error:  # noqa: BLE001 - a service's library may raise anything, and quote the address
            return f"sending failed: {type(error).__name__}"

    def _note(self, notice: Notice, error: str) -> None:
        now = self._site.clock()
        over = bool(error) and now - notice.at >= (PATIENCE_WITH_REFUSALS if isinstance(error, Refusal) else PATIENCE)
        self._rest(notice.to, error, now)
        pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(notice.attempts, 20))
        entry = _entry(notice, error, now) if over or not error else None
        self._site.state.notices.tried(notice.id, at=now, error=error, due_at=now + pause, give_up=over, entry=entry)
        self._metrics.tried(notice.deployment, notice.kind, "sent" if not error else "given-up" if over else "failed")
        if error and not over:
            log.warning("%s did not take a message (%s); it is tried again in %d s", notice.to, error, pause / 1e6)

    def _rest(self, to: str, error: str, now: int) -> None:
        """A receiver that fails is left alone for a moment, longer each time; one that refuses a message works."""
        if not error or isinstance(error, Refusal):
            self._resting.pop(to, None)
            return
        _, times = self._resting.get(to, (0, 0))
        self._resting[to] = (now + min(LONGEST_REST, FIRST_PAUSE * 2 ** min(times, 20)), times + 1)


def _is_critical(notice: Notice) -> bool:
    return msgspec.json.decode(notice.message, type=_Ranked).severity == "critical"


def _entry(notice: Notice, error: str, now: int) -> AuditEntry:
    title = msgspec.json.decode(notice.message, type=Message).title
    tries = notice.attempts + 1
    told = f"Told {notice.to} ({notice.kind} {notice.id}): {title}."
    lost = f"Gave up telling {notice.to} ({notice.kind} {notice.id}) after {tries} tries, the last: {error}."
    return AuditEntry(
        deployment=notice.deployment,
        at=now,
        action="tell" if not error else "tell-failed",
        actor=LOOP,
        why=notice.why,
        sentence=lost if error else told,
    )
