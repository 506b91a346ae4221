"""Whether a model may be given several callers' rows at once: its tensors must allow it, and its answers not change."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seatrial.spec.signature import Signature

Outputs = Mapping[str, NDArray[Any]]

TOLERANCE = 1e-3
"""How far an answer may move, as a share of itself and of the largest answer: other kernels sum in another order."""


def is_fixed(signature: Signature) -> str | None:
    """The tensor that is not one row a row of the request, or None: then calls may be merged."""
    tensors = (*signature.inputs, *signature.outputs)
    return next((tensor.name for tensor in tensors if not tensor.shape or tensor.shape[0] != -1), None)


def differs(together: Outputs, singles: Sequence[Outputs]) -> str | None:
    """The output in which rows answered together are not what they are alone, or None.

    A model may look at the whole batch (norm its inputs by it, rank its rows); nobody's answer may depend on who else
    asks at the moment.

    Args:
        together: The outputs of a batch.
        singles: The outputs of its first rows, each by itself.
    """
    for name, rows in together.items():
        alone = [one[name] for one in singles]
        if any(len(one) != 1 for one in alone):
            return name
        if alone and not _alike(rows[: len(alone)], np.concatenate(alone)):
            return name
    return None


def _alike(one: NDArray[Any], other: NDArray[Any]) -> bool:
    if one.shape != other.shape:
        return False
    if one.dtype.kind != "f" or not one.size:
        return bool(np.array_equal(one, other))
    with np.errstate(invalid="ignore"):
        scale = float(np.nanmax(np.abs(other), initial=0.0, where=np.isfinite(other)))
    return bool(np.allclose(one, other, rtol=TOLERANCE, atol=TOLERANCE * min(scale, 1.0), equal_nan=True))
