"""The runtime of a variant that answers with popular items: a file that control keeps, read into memory.

Nobody who answers waits for the disk: `look` takes up a new file, and the follower's thread calls it.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seatrial.models.runtimes import RuntimeFailure, Tensors
from seatrial.releases.followed import Followed
from seatrial.releases.popular_files import read_popular
from seatrial.routing.snapshot import Slot
from seatrial.spec.units import show_duration

ROWS = "row"
"""The one input tensor: an element a row, whatever it is."""

ITEM, SCORE = "item", "score"


class _List:
    """The items of a file, as one row of each output tensor."""

    __slots__ = ("items", "scores")

    def __init__(self, path: Path) -> None:
        found = read_popular(path)
        self.items = np.array([[name for name, _ in found]], dtype=object)
        self.scores = np.array([[score for _, score in found]], dtype=np.float64)


class PopularRuntime:
    """Gives every row the same items.

    Args:
        slot: The variant; its ``popular`` says which items they are.
        path: The file of them.
    """

    out_of_process = False
    alone = True

    def __init__(self, slot: Slot, path: Path) -> None:
        assert slot.popular is not None
        self._none = f"no item has had a `{slot.popular.outcome}` in the last {show_duration(slot.popular.within)}"
        self._file = Followed(path, _List, f"the items of `{slot.variant}`", "it does not answer")

    def look(self) -> None:
        """Take up what has been replaced since."""
        self._file.look()

    def run(self, inputs: Tensors) -> dict[str, NDArray[Any]]:
        """Items and scores, shape [n, items], the best first. Raises RuntimeFailure where there is no item."""
        found = self._file.now
        if found is None:
            raise RuntimeFailure("its file of popular items is missing or damaged; control makes it within a minute")
        if not found.items.size:
            raise RuntimeFailure(self._none)
        n = len(inputs[ROWS])
        return {ITEM: found.items.repeat(n, axis=0), SCORE: found.scores.repeat(n, axis=0)}

    def close(self) -> None:
        """There is nothing to let go."""
