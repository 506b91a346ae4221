"""How the answers of an ensemble's members become one; pure."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seatrial.models.ensemble import label_datatype
from seatrial.protocol.packing import DTYPES
from seatrial.spec.signature import Label


def mean(values: Sequence[NDArray[np.float64]], weights: Sequence[float] = ()) -> NDArray[np.float64]:
    """The members' values, each [n] or [n, classes], averaged; with ``weights`` (adding up to 1) so weighted."""
    stacked = np.stack(values)
    return np.tensordot(np.asarray(weights), stacked, axes=1) if len(weights) else stacked.mean(axis=0)


def majority(votes: Sequence[NDArray[np.intp]], classes: int) -> NDArray[np.intp]:
    """The label, as a position, that most members gave each row; of several, the one that the first member gave.

    Args:
        votes: For each member the positions [n] of its labels.
    """
    stacked = np.stack(votes)
    counts = np.zeros((stacked.shape[1], classes), dtype=np.intp)
    for vote in stacked:
        counts[np.arange(len(vote)), vote] += 1
    support = np.stack([counts[np.arange(len(vote)), vote] for vote in stacked])
    chosen: NDArray[np.intp] = stacked[support.argmax(axis=0), np.arange(stacked.shape[1])]
    return chosen


def labels_of(positions: NDArray[np.intp], classes: Sequence[Label]) -> NDArray[Any]:
    """Labels [n] in the datatype of the ensemble's label tensor."""
    named: NDArray[Any] = np.array(classes, dtype=DTYPES[label_datatype(classes)])
    return named[positions]
