"""What a detector of concept drift says about a piece of an error stream."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from seatrial.spec.errors import BadInput


class Change(NamedTuple):
    """One alarm.

    Attributes:
        at: Which error raised it, counted from 0 since the detector first read.
        before: Mean error of the older part, as this detector divides what it remembers.
        after: Mean error of the newer part.
    """

    at: int
    before: float
    after: float

    @property
    def rose(self) -> bool:
        """Whether the model answers worse than before."""
        return self.after > self.before


class Changes(NamedTuple):
    """What one piece of a stream held.

    Attributes:
        drifts: Every alarm, in order; after each the detector starts anew.
        warnings: Which errors left the detector in its warning zone, counted as ``Change.at``; Page–Hinkley and ADWIN
            have none.
    """

    drifts: tuple[Change, ...]
    warnings: tuple[int, ...] = ()


def numbers_of(errors: ArrayLike) -> list[float]:
    """Errors as numbers, in order of prediction time, shape [n]; refused when one is missing or infinite."""
    array = np.asarray(errors, dtype=np.float64)
    if array.ndim != 1:
        raise BadInput(f"an error stream has one axis, not {array.ndim}; give one error a prediction, in order of time")
    if not np.isfinite(array).all():
        wrong = array[~np.isfinite(array)][0]
        raise BadInput(f"{wrong} is not an error; leave out predictions whose label is not known")
    found: list[float] = array.tolist()
    return found


def mistakes_of(errors: ArrayLike) -> list[float]:
    """The same of a stream of mistakes: 1 where the answer was wrong, 0 where it was right."""
    found = numbers_of(errors)
    wrong = next((value for value in found if value not in (0.0, 1.0)), None)
    if wrong is not None:
        raise BadInput(f"{wrong:g} is neither 0 nor 1; this detector reads mistakes, ADWIN and Page–Hinkley any error")
    return found


def require_chances(**chances: float) -> None:
    """Refuse a chance that is not between 0 and 1."""
    for name, chance in chances.items():
        if not 0 < chance < 1:
            raise BadInput(f"`{name}` is {chance:g}, and is a chance; write a number between 0 and 1")
