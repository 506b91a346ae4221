"""Regrets by contestant and scene, kept as they come, so that a run that was stopped goes on.

A file of `{"CONTESTANT SCENE": [regret of seed 0, of seed 1, …]}`. Pieces of seeds may come in any order; one that
comes before those below it waits beside them as `CONTESTANT SCENE from SEED`.
"""

import json
import os
from pathlib import Path

Piece = tuple[str, str, int, int]
"""Contestant, scene, first seed, and the seed it stops before."""

_PIECE = {"seatrial": 200}
"""Seeds a piece. Ours are drawn side by side, so that a piece is part of what is simulated: it stays as it is."""
_OTHERS = 50


def pieces(contestant: str, what: str, repetitions: int) -> list[Piece]:
    """Seeds 0 to `repetitions` − 1 in pieces."""
    size = _PIECE.get(contestant, _OTHERS)
    return [(contestant, what, first, min(first + size, repetitions)) for first in range(0, repetitions, size)]


class Kept:
    """The file, read once and written whole each time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._found: dict[str, list[float]] = json.loads(path.read_text()) if path.exists() else {}

    def has(self, piece: Piece) -> bool:
        contestant, what, first, stop = piece
        return len(self._found.get(f"{contestant} {what}", [])) >= stop or self._waiting(contestant, what, first) != []

    def whole(self, contestant: str, what: str, repetitions: int) -> list[float]:
        """Regrets of seeds 0 to `repetitions` − 1, or nothing where some are missing."""
        found = self._found.get(f"{contestant} {what}", [])
        return found[:repetitions] if len(found) >= repetitions else []

    def keep(self, piece: Piece, regrets: list[float]) -> None:
        contestant, what, first, stop = piece
        if len(regrets) != stop - first:
            raise ValueError(f"{len(regrets)} regrets of {contestant} for {stop - first} seeds of {what}")
        self._found[f"{contestant} {what} from {first}"] = [round(one, 6) for one in regrets]
        together = self._found.setdefault(f"{contestant} {what}", [])
        while waiting := self._waiting(contestant, what, len(together)):
            del self._found[f"{contestant} {what} from {len(together)}"]
            together += waiting
        self._path.parent.mkdir(parents=True, exist_ok=True)
        part = self._path.with_suffix(".part")
        part.write_text(json.dumps(self._found))
        os.replace(part, self._path)

    def _waiting(self, contestant: str, what: str, first: int) -> list[float]:
        return self._found.get(f"{contestant} {what} from {first}", [])
