"""Where a bandit that chooses by context sends a unit: the chances of all arms at its context, and a draw by hash."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from seatrial.routing.assign import draw, prefix
from seatrial.routing.contexts import Encoder
from seatrial.routing.decision import Decision
from seatrial.routing.snapshot import ByContext, Entry
from seatrial.spec.errors import BadInput, SeatrialError

if TYPE_CHECKING:
    from seatrial.bandits import InverseGap, LinearBelief


class ContextChoice:
    """Decides for the units of an entry whose bandit chooses by context; immutable.

    The unit's hash, a number in (0, 1), falls into the part of the line from 0 to 1 that an arm's chance is: while its
    context stays, and within an epoch, a unit keeps its arm.

    Args:
        entry: With ``by_context``.
        keys: The declared context keys, in the order of a context's values.

    Raises:
        BadInput: Coefficients of another shape, or an arm that the entry does not have.
    """

    __slots__ = ("_chances", "_encoder", "_entry", "_head", "_names", "_places")

    def __init__(self, entry: Entry, keys: Sequence[str]) -> None:
        by = entry.by_context
        assert by is not None
        self._entry = entry
        self._encoder = Encoder(by.columns, keys)
        names = [arm.variant for arm in entry.arms]
        for arm in by.arms:
            if arm not in names:
                raise BadInput(f"routing entry {entry.name!r} chooses variant {arm!r} by context, which is no arm")
        self._chances = chances_of(by, self._encoder.width)
        self._places = None if list(by.arms) == names else tuple(names.index(arm) for arm in by.arms)
        self._names = tuple(names)
        self._head = prefix(entry.salt, "")

    def chances(self, context: Sequence[Any]) -> list[float]:
        """Of every arm of the entry in its order; they sum to 1.

        Where they cannot be worked out for once, they are the entry's weights: nobody goes without an answer.
        """
        try:
            found = self._chances(np.array(self._encoder.encode(context)))
        except SeatrialError:
            return [arm.weight for arm in self._entry.arms]
        if self._places is None:
            return found
        whole = [0.0] * len(self._names)
        for place, chance in zip(self._places, found, strict=True):
            whole[place] = chance
        return whole

    def decide(self, unit: str, context: Sequence[Any]) -> Decision:
        """Where a unit goes whose request says this of itself."""
        chances = self.chances(context)
        place, last = draw(self._head, unit.encode()), 0
        for number, chance in enumerate(chances):
            if chance > 0:
                last = number  # should rounding leave a rest at the end, the last arm with a chance has it
                place -= chance
                if place < 0:
                    break
        entry = self._entry
        return Decision(
            self._names[last],
            entry.reason,
            chances[last],
            entry.name,
            chances.count(0.0) < len(chances) - 1,
            entry.release,
            entry.phase,
            tuple(chances),
        )


def chances_of(by: ByContext, width: int) -> Callable[[NDArray[np.float64]], list[float]]:
    """The chances of the arms at a context of ``width`` numbers; raises BadInput for coefficients of another shape."""
    return belief_of(by, width).shares


def belief_of(by: ByContext, width: int) -> InverseGap | LinearBelief:
    """What chooses at contexts of ``width`` numbers; raises BadInput for coefficients of another shape."""
    # Here, because it brings scipy, and few deployments choose by context.
    from seatrial.bandits import InverseGap, LinearBelief

    count = len(by.arms)
    lines = np.array(by.coefficients, dtype=np.float64)
    if not count or lines.shape != (count, width) or not np.isfinite(lines).all():
        raise BadInput(f"coefficients have the shape {lines.shape}; expected [{count}, {width}] finite numbers")
    if by.policy == "squarecb":
        return InverseGap(lines, by.gamma, by.floor)
    spreads = np.frombuffer(by.spreads, dtype="<f8").astype(np.float64)
    if spreads.size != count * width * width or not np.isfinite(spreads).all():
        raise BadInput(f"spreads are {spreads.size} numbers; expected [{count}, {width}, {width}] finite ones")
    return LinearBelief(lines, spreads.reshape(count, width, width), by.floor)
