"""What the pages and the API read: settings, state, published snapshots, the ledger."""

import threading
import time
from collections.abc import Callable
from functools import cached_property
from typing import Annotated

import msgspec
from fastapi import Depends, Request

from seatrial.control.contests import several_at
from seatrial.dashboard.traffic import TrafficReader
from seatrial.experiments.judgement import Judgement
from seatrial.experiments.points import verdict_point
from seatrial.experiments.several import Several
from seatrial.ledger.reader import Reader
from seatrial.releases.publication import Publication
from seatrial.releases.records import VerdictRecord
from seatrial.releases.state import State
from seatrial.reports.points import VerdictPoint
from seatrial.routing.snapshot import Snapshot
from seatrial.spec.read import load_deployment
from seatrial.spec.settings import Settings

SEVERAL_KEPT = 60_000_000
"""Microseconds for which an experiment's judgement is shown again: nobody keeps it, and a new one reads the ledger."""


class House:
    """Read access to one machine's home; every answer is made from what is stored now.

    Args:
        settings: The machine's.
        clock: Microseconds since 1970 UTC.
    """

    def __init__(self, settings: Settings, *, clock: Callable[[], int] = lambda: time.time_ns() // 1000) -> None:
        self.settings = settings
        self.clock = clock
        self.traffic = TrafficReader(settings.home)
        self._several: dict[str, Several] = {}
        self._judging = threading.Lock()

    @cached_property
    def state(self) -> State:
        return State(self.settings.state_url)

    @cached_property
    def publication(self) -> Publication:
        return Publication(self.settings.home)

    @cached_property
    def reader(self) -> Reader:
        return Reader(self.settings.home)

    def snapshot(self, deployment: str) -> Snapshot | None:
        """What the gateways serve, or None before the first publication."""
        revision = self.publication.active(deployment)
        return None if revision is None else self.publication.read(deployment, revision)

    def judgement(self, deployment: str) -> Judgement | None:
        """The latest judgement of the latest release, or None."""
        found = self.state.verdicts.of(deployment, limit=1)
        return decode_judgement(found[-1]) if found else None

    def several(self, deployment: str) -> Several | None:
        """What is known of the challengers of the file's `experiment`, a minute old at most; None where it has none.

        Raises:
            NotFound: No gateway serves its split yet.
        """
        held = self.state.deployments.find(deployment)
        if held is None or load_deployment(held.text).experiment is None:
            return None
        with self._judging:
            known, now = self._several.get(deployment), self.clock()
            if known is None or not known.at <= now < known.at + SEVERAL_KEPT:
                known = several_at(self.settings, held, self.publication, now)
                self._several[deployment] = known
            return known

    def verdict_points(self, deployment: str, release: str, *, most: int = 400) -> tuple[VerdictPoint, ...]:
        """The primary metric's effect at every look of a release that had an interval."""
        records = self.state.verdicts.of(deployment, release=release, limit=most)
        points = (verdict_point(decode_judgement(record)) for record in records)
        return tuple(point for point in points if point is not None)


def house_of(request: Request) -> House:
    """The house that a request is about."""
    house = request.app.state.house
    assert isinstance(house, House)
    return house


TheHouse = Annotated[House, Depends(house_of)]


def decode_judgement(record: VerdictRecord) -> Judgement:
    """The judgement that a record of the state holds."""
    return msgspec.json.decode(record.judgement, type=Judgement)
