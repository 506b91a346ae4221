"""What a reweighing by context depended on, small enough for the audit: sums of each arm, and the latest contexts.

Lines follow from sums over the rewards (`Regression`), so that these and not every reward are recorded; the weights
that are told are means of the lines' chances over the latest contexts, which are recorded as they were used.
"""

import zlib
from dataclasses import dataclass

import msgspec
import numpy as np

from seatrial.bandits import InverseGap, LinearBelief, LinearThompson, Regression, SquareCB
from seatrial.bandits.posterior import Floats
from seatrial.routing.by_context import chances_of
from seatrial.routing.snapshot import ByContext, Column
from seatrial.spec.deployment import BanditSpec
from seatrial.spec.errors import BadInput

LATEST = 500
"""Contexts over which chances are averaged."""
MOST_BYTES = 262_144
"""Of one reweighing's sums and contexts; many arms with very many numbers are not recorded, but passed over."""


@dataclass(frozen=True, eq=False)
class Sums:
    """What lines follow from.

    Attributes:
        columns: How contexts became numbers.
        arms: That are not removed.
        center: Mean reward, from which each is taken.
        known: Of each arm, all of one ridge.
    """

    columns: tuple[Column, ...]
    arms: tuple[str, ...]
    center: float
    known: tuple[Regression, ...]


class LinesSeen(msgspec.Struct, frozen=True, kw_only=True):
    """Sums and latest contexts, as the audit holds them.

    Attributes:
        columns, arms, center: As in ``Sums``.
        ridge: Of every arm.
        sums: Of each arm n, Σ r², Σ x r and the lower triangle of Σ x xᵀ by rows; float64, little endian, deflated.
        latest: Contexts, shape [m, d]; float32, little endian, deflated.
    """

    columns: tuple[Column, ...]
    arms: tuple[str, ...]
    center: float
    ridge: float
    sums: bytes
    latest: bytes


def lines_from(bandit: BanditSpec, sums: Sums) -> ByContext:
    """The lines of the next epoch."""
    policy = SquareCB() if bandit.policy == "squarecb" else LinearThompson()
    published: InverseGap | LinearBelief = policy.publish(sums.known, bandit.floor)
    lines = published.coefficients.copy()
    lines[:, 0] += sums.center
    return ByContext(
        policy="squarecb" if isinstance(published, InverseGap) else "linear-thompson",
        columns=sums.columns,
        arms=sums.arms,
        coefficients=tuple(map(tuple, lines.tolist())),
        spreads=published.spreads.astype("<f8").tobytes() if isinstance(published, LinearBelief) else b"",
        gamma=published.gamma if isinstance(published, InverseGap) else 0.0,
        floor=bandit.floor,
    )


def latest_of(contexts: Floats) -> Floats:
    """Of contexts in order [n, d] those over which chances are averaged, as they are recorded."""
    return contexts[-LATEST:].astype("<f4").astype(np.float64)


def mean_chances(lines: ByContext, contexts: Floats) -> dict[str, float]:
    """The mean chance of each arm over contexts [m, d]."""
    chances = chances_of(lines, contexts.shape[1])
    means = np.mean([chances(one) for one in contexts], axis=0)
    return dict(zip(lines.arms, (means / means.sum()).tolist(), strict=True))


def recorded(sums: Sums, latest: Floats) -> LinesSeen:
    """Both, for the audit."""
    parts = []
    for arm in sums.known:
        parts += [np.array([arm.n, arm.squares]), arm.cross, arm.gram[np.tril_indices(arm.cross.size)]]
    return LinesSeen(
        columns=sums.columns,
        arms=sums.arms,
        center=sums.center,
        ridge=sums.known[0].ridge,
        sums=zlib.compress(np.concatenate(parts).astype("<f8").tobytes()),
        latest=zlib.compress(latest.astype("<f4").tobytes()),
    )


def is_small(seen: LinesSeen) -> bool:
    """Whether the audit takes it."""
    return len(seen.sums) + len(seen.latest) <= MOST_BYTES


def again(bandit: BanditSpec, seen: LinesSeen) -> dict[str, float]:
    """The mean chances that follow from what was recorded.

    Raises:
        BadInput: It is not what was written here.
    """
    try:
        numbers = np.frombuffer(zlib.decompress(seen.sums), dtype="<f8").reshape(len(seen.arms), -1)
        # d + d (d + 1) / 2 + 2 numbers an arm
        size = round((-3 + (9 + 8 * (numbers.shape[1] - 2)) ** 0.5) / 2)
        known = tuple(_regression(one, size, seen.ridge) for one in numbers)
        contexts = np.frombuffer(zlib.decompress(seen.latest), dtype="<f4").astype(np.float64).reshape(-1, size)
        return mean_chances(lines_from(bandit, Sums(seen.columns, seen.arms, seen.center, known)), contexts)
    except (zlib.error, ValueError, IndexError, np.linalg.LinAlgError) as error:
        raise BadInput(f"sums or contexts are not whole: {error}") from None


def _regression(numbers: Floats, size: int, ridge: float) -> Regression:
    gram = np.zeros((size, size))
    rows, columns = np.tril_indices(size)
    gram[rows, columns] = gram[columns, rows] = numbers[2 + size :]
    return Regression(gram, numbers[2 : 2 + size].copy(), float(numbers[1]), float(numbers[0]), ridge)
