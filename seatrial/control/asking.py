"""Databases are asked for outcomes now and then, beside the loop: a slow one holds nothing up.

How far one has been read is a mark in the state, put only when what was read is in the ledger. The next question goes
back a while before it, for rows that were committed late; what is there already is left out by the import, so that a
question that is repeated, by a restart or another leader, changes nothing.
"""

import logging
import tempfile
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from threading import Thread
from typing import NamedTuple

import pyarrow.parquet as pq

from seatrial.control.change import LOOP
from seatrial.control.site import Site
from seatrial.control.warehouse import ask
from seatrial.ledger.importing import Imported, import_outcomes
from seatrial.releases.records import AuditEntry
from seatrial.spec.deployment import Deployment, OutcomeSpec
from seatrial.spec.errors import SeatrialError
from seatrial.spec.outcome_shapes import OutcomeShape
from seatrial.spec.units import show_count
from seatrial.watch.alerts import event_alert

log = logging.getLogger("seatrial.asking")

_SECOND = 1_000_000
_BACK = 3_600 * _SECOND
"""So far before the latest row it is asked again, at least: transactions end out of order."""
_DAY = 86_400 * _SECOND

Run = Callable[[Callable[[], "Read"]], "Future[Read]"]


class Read(NamedTuple):
    """What was read of one source: into the ledger, up to when; or why not."""

    imported: Imported | None = None
    latest: int | None = None
    error: str = ""


class Asking:
    """Asks the sources of every deployment's outcomes.

    Args:
        site: Its home, state, clock and environment.
        run: Starts a question beside the loop; None: in a thread of its own, which does not keep the process alive.
    """

    def __init__(self, site: Site, run: Run | None = None) -> None:
        self._site = site
        self._run = run or _beside
        self._due: dict[tuple[str, str], int] = {}
        self._asked: dict[tuple[str, str], Future[Read]] = {}

    def look(self, spec: Deployment, now: int) -> None:
        """Take the answers that are there, and ask what is due. Raises Unavailable when the state is away."""
        for name, outcome in spec.outcomes.items():
            key = (spec.deployment, name)
            asked = self._asked.get(key)
            if asked is not None and asked.done():
                del self._asked[key]
                self._take(spec, name, asked.result(), now)
            if outcome.source is None or key in self._asked or now < self._due.get(key, 0):
                continue
            revision = self._revision(spec)
            if not revision:
                continue
            self._due[key] = now + round(outcome.source.every * _SECOND)
            since = max((self._site.state.marks.get(spec.deployment, _mark(name)) or 0) - _back(spec, name), 0)
            shape = self._site.publication.read(spec.deployment, revision).shape(name)
            self._asked[key] = self._run(
                lambda name=name, outcome=outcome, since=since, shape=shape: _read(  # type: ignore[misc]
                    self._site, spec, name, outcome, since, shape
                )
            )

    def _revision(self, spec: Deployment) -> int:
        return self._site.state.deployments.get(spec.deployment).revision

    def _take(self, spec: Deployment, name: str, read: Read, now: int) -> None:
        deployment, state = spec.deployment, self._site.state
        if read.error:
            sentence = f"Outcomes `{name}` could not be read from their source: {read.error}"
            log.warning("%s: %s", deployment, sentence)
            state.alerts.add(event_alert(deployment, "failure", f"source/{name}/{now // _DAY}", sentence, now))
            return
        if read.latest is not None:
            # A row of next year must not hide all that come before it.
            latest = min(read.latest, now)
            state.marks.put(deployment, _mark(name), max(latest, state.marks.get(deployment, _mark(name)) or 0))
        found = read.imported
        if found is not None and (found.written or found.skipped or found.unfit):
            state.audit.add(
                AuditEntry(
                    deployment=deployment,
                    at=now,
                    action="read",
                    actor=LOOP,
                    why="the source of an outcome",
                    sentence=_sentence(name, found),
                    revision=self._revision(spec),
                )
            )


def _beside(work: "Callable[[], Read]") -> "Future[Read]":
    answer: Future[Read] = Future()

    def run() -> None:
        try:
            answer.set_result(work())
        except BaseException as error:
            answer.set_exception(error)
            raise

    Thread(target=run, name="asking", daemon=True).start()
    return answer


def _back(spec: Deployment, name: str) -> int:
    """Microseconds: as long as a row that happened earlier and was loaded late can still count for anybody."""
    open_ = [(metric.within or 0.0) + metric.grace for metric in spec.metrics.values() if name in metric.outcomes]
    rewards = [entry.bandit.reward for entry in spec.routing if entry.bandit is not None]
    watched = [spec.monitors.concept, spec.monitors.fairness, spec.monitors.skew]
    others = [*rewards, *(monitor for monitor in watched if monitor is not None)]
    open_ += [other.within + other.grace for other in others if other.outcome == name]
    return max([_BACK, *(round(seconds * _SECOND) for seconds in open_)])


def _mark(name: str) -> str:
    return f"source of {name}"


def _read(
    site: Site, spec: Deployment, name: str, outcome: OutcomeSpec, since: int, shape: OutcomeShape | None
) -> Read:
    """Ask, and put the answer into the ledger; what goes wrong is said, never raised."""
    assert outcome.source is not None
    try:
        answer = ask(outcome.source, tuple(outcome.fields), since, site.environ)
        if not answer.table.num_rows:
            return Read()
        with tempfile.TemporaryDirectory(dir=site.home, prefix="asked-") as folder:
            file = Path(folder) / f"{name}.parquet"
            pq.write_table(answer.table, file)
            imported = import_outcomes(
                site.home,
                file,
                name,
                answer.columns,
                now=site.clock(),
                deployment=spec.deployment,
                shape=shape,
            )
    except SeatrialError as error:
        return Read(error=str(error))
    except Exception as error:  # a driver may raise anything, and the loop goes on
        log.exception("%s: outcomes %s could not be read", spec.deployment, name)
        return Read(error=f"{type(error).__name__}: {error}")
    return Read(imported, answer.latest)


def _sentence(name: str, found: Imported) -> str:
    said = f"Read {show_count(found.written)} new outcomes `{name}` from their source"
    left = [
        f"{show_count(count)} {why}"
        for count, why in ((found.skipped, "said nothing"), (found.unfit, "were of another kind than declared"))
        if count
    ]
    return f"{said}; left out: {' and '.join(left)}." if left else f"{said}."
