"""Labelled answers one by one, for metrics that no total by unit is enough for."""

from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray


class Answers(NamedTuple):
    """Labelled answers [m], sorted by unit, label and score, so that the same answers are always the same arrays.

    Attributes:
        unit: Positions of their units in order of exposure.
        label: 1 for the positive label, else 0.
        score: The chance of the positive label that was answered.
    """

    unit: NDArray[np.int64]
    label: NDArray[np.float64]
    score: NDArray[np.float64]

    @classmethod
    def from_lists(cls, lists: pa.ChunkedArray) -> "Answers":
        """From a list of structs ``x`` (label) and ``y`` (score) a unit; null where a unit has none."""
        whole = lists.combine_chunks()
        if isinstance(whole, pa.ChunkedArray):  # of no units
            whole = pa.concat_arrays(whole.chunks) if whole.num_chunks else pa.array([], lists.type)
        unit = whole.value_parent_indices().to_numpy().astype(np.int64)
        flat = whole.flatten()
        label = flat.field("x").cast(pa.float64()).to_numpy(zero_copy_only=False)
        score = flat.field("y").cast(pa.float64()).to_numpy(zero_copy_only=False)
        order = np.lexsort((score, label, unit))
        return cls(unit[order], label[order], score[order])

    def of(self, units: NDArray[np.bool_]) -> "Answers":
        """Those of some units."""
        here = units[self.unit]
        return Answers(self.unit[here], self.label[here], self.score[here])
