"""Decides in process, from the snapshots that control publishes on this machine: no network a request.

It reads the same files as a gateway worker but is none: publication does not wait for it. A new revision is seen within
``REFRESH_SECONDS``; until then, and while control is down, the last one decides.
"""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from seatrial.client.values import Assignment
from seatrial.releases.crowd_files import CrowdFiles
from seatrial.releases.layout import Layout, read_pointer, read_pointers
from seatrial.routing.people import People
from seatrial.routing.router import Router
from seatrial.routing.snapshot import Snapshot
from seatrial.spec.errors import NotFound, Unavailable

REFRESH_SECONDS = 0.25


def published(home: Path) -> list[Snapshot]:
    """What is served on this machine, by its home directory; raises Unavailable where it cannot be read."""
    layout = Layout(home)
    try:
        revisions = sorted(read_pointers(layout.active).items())
        return [read_snapshot(layout.snapshot(name, revision)) for name, revision in revisions]
    except (OSError, msgspec.DecodeError) as error:
        raise Unavailable(f"what is published in {home} cannot be read: {error}") from error


def read_snapshot(path: Path) -> Snapshot:
    """A snapshot's file; raises OSError, msgspec.DecodeError."""
    return msgspec.json.decode(path.read_bytes(), type=Snapshot)


class _Loaded(NamedTuple):
    snapshot: Snapshot
    router: Router
    people: People
    crowds: CrowdFiles
    versions: Mapping[str, str]
    looked: float


class LocalDecisions:
    """Routers of one machine's deployments.

    Args:
        home: The machine's home directory.
        monotonic: Time.
    """

    def __init__(self, home: Path, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._layout = Layout(home)
        self._home = home
        self._monotonic = monotonic
        self._loaded: dict[str, _Loaded] = {}

    def assign(
        self,
        deployment: str,
        request_id: str,
        unit: str | int | None,
        context: Mapping[str, Any] | None,
        features: Mapping[str, Any] | None = None,
    ) -> Assignment:
        """The decision that a gateway would take.

        Raises:
            NotFound: No such deployment is published here.
            BadInput: The unit or the context is none, or a feature is missing that a rule reads, as the gateway would
                say it.
            Unavailable: The published snapshot cannot be read, and none was read before.
        """
        loaded = self._current(deployment)
        person = loaded.people.read(unit, context, request_id)
        loaded.router.attributes.check(features or {})
        decision = loaded.router.decide(person.unit, person.context, features or {})
        return Assignment(
            request_id=request_id,
            deployment=deployment,
            variant=decision.variant,
            model_version=loaded.versions.get(decision.variant),
            reason=decision.reason,
            propensity=decision.propensity,
            revision=loaded.snapshot.revision,
            unit=unit,
            context=None if context is None else dict(context),
            features=None if features is None else dict(features),
        )

    def _current(self, deployment: str) -> _Loaded:
        known = self._loaded.get(deployment)
        now = self._monotonic()
        if known is not None and now - known.looked < REFRESH_SECONDS:
            return known
        fresh = self._look(deployment, known, now)
        self._loaded[deployment] = fresh
        return fresh

    def _look(self, deployment: str, known: _Loaded | None, now: float) -> _Loaded:
        try:
            revision = read_pointer(self._layout.pointer(self._layout.active, deployment))
            if revision is None:
                self._loaded.pop(deployment, None)
                raise NotFound(f"no deployment {deployment!r} is published in {self._home}; apply its file first")
            if known is not None and known.snapshot.revision == revision:
                known.crowds.look()
                return known._replace(looked=now)
            snapshot = read_snapshot(self._layout.snapshot(deployment, revision))
        except (OSError, msgspec.DecodeError) as error:
            if known is not None:
                return known._replace(looked=now)
            raise Unavailable(f"the snapshot of {deployment!r} in {self._home} cannot be read: {error}") from error
        versions = {slot.variant: slot.model_version for slot in snapshot.slots}
        crowds = CrowdFiles(self._home, snapshot)
        return _Loaded(snapshot, Router(snapshot, crowds=crowds.asks), People(snapshot), crowds, versions, now)
