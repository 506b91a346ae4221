"""What a transform makes of rows: those that requests carry, as the variants take them; one call for all of them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

from seatrial.models.function_runtime import FunctionRuntime
from seatrial.models.runtimes import Runtime, RuntimeFailure, Tensors
from seatrial.protocol.features import Encoder, Row
from seatrial.routing.people import Person
from seatrial.routing.snapshot import Snapshot, Transform, features_of
from seatrial.spec.signature import TEXT_KINDS, Feature

Run = Callable[[Tensors, int], Mapping[str, NDArray[Any]]]


class Feeding:
    """A deployment's transform at work.

    Args:
        snapshot: The deployment.
        given: Its transform.
        runtime: The model, or the function's process.
        run: Asks the model for so many rows; None: the runtime itself.
    """

    def __init__(self, snapshot: Snapshot, given: Transform, runtime: Runtime, run: Run | None = None) -> None:
        self._given = given
        self._function = runtime if isinstance(runtime, FunctionRuntime) else None
        self._run = run or (lambda tensors, _: runtime.run(tensors))
        self._encoder = Encoder(given.signature, strict=snapshot.strict_features)
        self._context = tuple(key.name for key in snapshot.context)
        self._features = features_of(snapshot.slots)
        self._spent = frozenset(name for name in given.takes if name not in self._features)

    def rows(
        self, rows: Sequence[Row], people: Sequence[Person], places: Sequence[int | None] | None = None
    ) -> list[Row]:
        """The rows as the variants take them.

        Args:
            people: Whose each of them is.
            places: What a refusal calls them; as of ``Encoder.encode``.

        Raises:
            BadInput: A row does not fit.
            RuntimeFailure: The model or the function failed, or gave something else than was declared.
        """
        encoded = self._encoder.encode(rows, places)
        if self._function is not None:
            given = self._called(self._function, rows, people)
        else:
            given = self._computed(self._run(encoded.tensors, len(rows)), len(rows))
        return [
            {name: value for name, value in row.items() if name not in self._spent}
            | {name: value for name, value in more.items() if name in self._features}
            for row, more in zip(rows, given, strict=True)
        ]

    def _called(self, function: FunctionRuntime, rows: Sequence[Row], people: Sequence[Person]) -> list[dict[str, Any]]:
        instances = [
            {
                "features": {name: row.get(name) for name in self._given.takes},
                "unit": person.unit if person.named else None,
                "context": dict(zip(self._context, person.context, strict=True)),
            }
            for row, person in zip(rows, people, strict=True)
        ]
        given = function.call(instances)
        for row in given:
            for name in row:
                if name not in self._given.gives:
                    raise RuntimeFailure(f"it gave {name[:100]!r}, which `gives` does not name")
        return given

    def _computed(self, outputs: Mapping[str, NDArray[Any]], n: int) -> list[dict[str, Any]]:
        if not self._given.gives:  # the version that took it was rolled back
            return [{} for _ in range(n)]
        columns: dict[str, list[Any]] = {}
        for output, names in self._given.gives.items():
            values = outputs.get(output)
            if values is None or values.ndim == 0 or len(values) != n:
                raise RuntimeFailure(f"it gave no {output!r} for each of {n} rows")
            flat = values.reshape(n, -1)
            if len(names) > 1 and flat.shape[1] != len(names):
                raise RuntimeFailure(f"it gave {output!r} in {flat.shape[1]} columns, not {len(names)}")
            for column, name in enumerate(names):
                feature = self._features[name]
                whole = len(names) == 1 and feature.kind in ("list", "embedding")
                columns[name] = flat.tolist() if whole else _values(feature, flat[:, column].tolist())
        return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _values(feature: Feature, values: list[Any]) -> list[Any]:
    """A column of numbers as the feature's kind travels."""
    if feature.kind == "boolean":
        return [bool(value) for value in values]
    if feature.kind in TEXT_KINDS:
        return [value if value is None or isinstance(value, str) else str(value) for value in values]
    return values
