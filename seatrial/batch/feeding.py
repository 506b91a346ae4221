"""A deployment's transform before scoring: once for all variants, as a request would go through it.

A function is told whose a row is: the unit is that of the unit's column, or else the row's key, and the context is read
from columns called ``context.<name>``.
"""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import NamedTuple

from seatrial.batch.reading import Chunk
from seatrial.models.feeding import Feeding
from seatrial.models.function_runtime import FunctionRuntime
from seatrial.models.runtimes import Runtime, RuntimeFailure, load
from seatrial.protocol.features import Row
from seatrial.routing.people import People, Person
from seatrial.routing.snapshot import Snapshot, Transform
from seatrial.spec.errors import BadInput, SeatrialError
from seatrial.spec.signature import Feature, FeatureKind

MANY = 64
"""A transform that fails at every one of so many rows is broken, and its failing says nothing about the rows."""

_CONTEXT = "context."
_KINDS: dict[str, FeatureKind] = {"string": "text", "number": "number", "integer": "integer", "boolean": "boolean"}


class Fed(NamedTuple):
    """Rows as the variants take them, by place, and why the others have none."""

    rows: Mapping[int, Row]
    rejected: Mapping[int, str]


class Feeder:
    """The transform of a deployment, loaded.

    Args:
        snapshot: The deployment.
        given: Its transform.
        timeout: Seconds that one call of a function or of an out-of-process model may take.
        stack: Closes it.

    Raises:
        SeatrialError: It cannot be loaded.
    """

    def __init__(self, snapshot: Snapshot, given: Transform, timeout: float, stack: ExitStack) -> None:
        try:
            runtime = _opened(given, timeout)
        except RuntimeFailure as error:
            raise SeatrialError(f"the transform cannot be loaded: {error}") from error
        stack.callback(runtime.close)
        self._feeding = Feeding(snapshot, given, runtime)
        self._people = People(snapshot)
        self._context = tuple(key.name for key in snapshot.context) if given.slot is None else ()
        self._told = given.slot is None

    def feed(self, chunk: Chunk) -> Fed:
        """Transform what can be read of a chunk; a row that does not fit, or that it fails at, is set aside alone.

        Raises:
            SeatrialError: The transform itself is broken.
        """
        rejected: dict[int, str] = {}
        rows: dict[int, Row] = {}
        people: dict[int, Person] = {}
        for place, row in enumerate(chunk.rows):
            if place in chunk.unreadable:
                continue
            try:
                people[place] = self._person(chunk, place)
            except BadInput as error:
                rejected[place] = str(error)
            else:
                rows[place] = {name: value for name, value in row.items() if not name.startswith(_CONTEXT)}
        fed: dict[int, Row] = {}
        failed: dict[int, str] = {}
        self._run(list(rows), rows, people, fed, rejected, failed)
        if not fed and len(failed) >= MANY:
            why = next(iter(failed.values()))
            raise SeatrialError(
                f"the transform failed at each of {len(failed)} rows ({why}); none of them is written, so mend it and "
                "run the same command again"
            )
        return Fed(fed, rejected | {place: f"the transform failed: {why}" for place, why in failed.items()})

    def _person(self, chunk: Chunk, place: int) -> Person:
        """Whose a row is; a model is not told, so its rows need no context."""
        key = chunk.keys[place]
        if not self._told:
            return Person(key, True, ())
        row = chunk.rows[place]
        context = {name: row[_CONTEXT + name] for name in self._context if row.get(_CONTEXT + name) is not None}
        unit = chunk.units[place] if chunk.units else None
        return self._people.read(unit, context, key)._replace(named=True)

    def _run(
        self,
        places: Sequence[int],
        rows: Mapping[int, Row],
        people: Mapping[int, Person],
        fed: dict[int, Row],
        rejected: dict[int, str],
        failed: dict[int, str],
    ) -> None:
        """Transform them together, in halves where that fails, until only the rows that it fails at are left."""
        if not places:
            return
        try:
            found = self._feeding.rows([rows[place] for place in places], [people[place] for place in places])
        except (BadInput, RuntimeFailure) as error:
            if len(places) == 1:
                (rejected if isinstance(error, BadInput) else failed)[places[0]] = str(error)
                return
            half = len(places) // 2
            self._run(places[:half], rows, people, fed, rejected, failed)
            self._run(places[half:], rows, people, fed, rejected, failed)
        else:
            fed.update(zip(places, found, strict=True))


def wanted_by(snapshot: Snapshot, given: Transform) -> dict[str, Feature]:
    """What the input may have columns for: what a request carries, and for a function the context too."""
    wanted = {feature.name: feature for feature in given.signature.features}
    if given.slot is None:
        for key in snapshot.context:
            name = _CONTEXT + key.name
            wanted[name] = Feature(name=name, kind=_KINDS[key.kind], nullable=key.optional)
    return wanted


def _opened(given: Transform, timeout: float) -> Runtime:
    if given.slot is not None:
        return load(given.slot, timeout=timeout)
    return FunctionRuntime(given.python, timeout=timeout, patience=timeout)
