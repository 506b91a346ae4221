"""Rows into one version's answers; a row that does not fit, or that the model fails at, is set aside alone."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from numpy.typing import NDArray

from seatrial.models.runtimes import Runtime, RuntimeFailure, Tensors
from seatrial.models.score_table import packed
from seatrial.protocol.answers import Answers, Prediction, UnreadableAnswer
from seatrial.protocol.features import Encoder, Row
from seatrial.routing.snapshot import Slot
from seatrial.spec.errors import BadInput, SeatrialError

MANY = 64
"""A model that fails at every one of so many rows is broken, and its failing says nothing about the rows."""


class Scores(NamedTuple):
    """What one version made of some rows.

    Attributes:
        places: The places of those that have an answer, ascending.
        predictions: What the ledger would keep of each answer, in the order of ``Scorer.columns``.
        kept: What a table keeps of each.
        rejected: Why a row has none, by place.
    """

    places: Sequence[int]
    predictions: Sequence[Prediction]
    kept: Sequence[bytes]
    rejected: Mapping[int, str]


_Done = tuple[Sequence[int], Mapping[str, NDArray[Any]], Sequence[Prediction]]
"""Rows by index, the model's outputs for them, and what the ledger would keep of those."""


class Scorer:
    """Scores for one variant.

    Args:
        slot: Which version.
        runtime: It, loaded.
    """

    def __init__(self, slot: Slot, runtime: Runtime) -> None:
        self.slot = slot
        self._runtime = runtime
        self._encoder = Encoder(slot.signature)
        self._answers = Answers(slot.signature)
        self.columns = self._answers.columns

    def score(self, rows: Sequence[Row], places: Sequence[int], start: int) -> Scores:
        """Score rows.

        Args:
            places: The places of these rows, ascending.
            start: Position in the input of the row at place 0.

        Raises:
            SeatrialError: The model itself is broken.
        """
        if not rows:
            return Scores((), (), (), {})
        rejected: dict[int, str] = {}
        tensors, fit = self._fit(rows, rejected)
        done: list[_Done] = []
        self._run(rows, fit, tensors, done, rejected)
        if not done and len(fit) >= MANY:
            raise SeatrialError(
                f"{self.slot.model_version} failed at each of {len(fit)} rows ({rejected[fit[0]]}); none of them is "
                "written, so mend the model and run the same command again"
            )
        indices = [index for part, _, _ in done for index in part]
        predictions = [prediction for _, _, part in done for prediction in part]
        kept: list[bytes] = []
        for part, outputs, _ in done:
            kept += packed(outputs, self.slot.signature, [start + places[index] for index in part])
        return Scores(
            [places[index] for index in indices],
            predictions,
            kept,
            {places[index]: reason for index, reason in rejected.items()},
        )

    def _fit(self, rows: Sequence[Row], rejected: dict[int, str]) -> tuple[Tensors | None, Sequence[int]]:
        """The rows that the version can take, as tensors where that is all of them; of the others, why not."""
        try:
            return self._encoder.encode(rows).tensors, range(len(rows))
        except BadInput:
            for index, row in enumerate(rows):
                try:
                    self._encoder.encode([row])
                except BadInput as error:
                    rejected[index] = str(error)
        return None, [index for index in range(len(rows)) if index not in rejected]

    def _run(
        self,
        rows: Sequence[Row],
        indices: Sequence[int],
        tensors: Tensors | None,
        done: list["_Done"],
        rejected: dict[int, str],
    ) -> None:
        """Run the model, in halves where it fails, until only the rows that it fails at are left."""
        if not indices:
            return
        try:
            given = tensors or self._encoder.encode([rows[index] for index in indices]).tensors
            outputs = self._runtime.run(given)
            predictions = self._answers.read(outputs, len(indices)).predictions
        except (RuntimeFailure, UnreadableAnswer, BadInput) as error:
            if len(indices) == 1:
                rejected[indices[0]] = str(error)
                return
            half = len(indices) // 2
            self._run(rows, indices[:half], None, done, rejected)
            self._run(rows, indices[half:], None, done, rejected)
            return
        done.append((indices, outputs, predictions))
