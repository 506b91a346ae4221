"""Seeded error streams that change now and then; Python's own generator, whose numbers are the same everywhere."""

import random
from collections.abc import Callable

LENGTH = 4000
SEEDS = range(8)
_ABRUPT = ((0, 0.1), (1200, 0.3), (2500, 0.12), (3400, 0.5))


def abrupt(seed: int) -> list[float]:
    """Mistakes; their share jumps up, down, and up again."""
    share = dict(_ABRUPT)
    now, rng, stream = 0.0, random.Random(seed), []
    for at in range(LENGTH):
        now = share.get(at, now)
        stream.append(float(rng.random() < now))
    return stream


def gradual(seed: int) -> list[float]:
    """Mistakes; their share climbs from 5 % to 60 % and falls back."""
    rng = random.Random(1000 + seed)
    half = LENGTH / 2
    return [float(rng.random() < 0.6 - 0.55 * abs(at - half) / half) for at in range(LENGTH)]


def still(seed: int) -> list[float]:
    """Mistakes of one share."""
    rng = random.Random(2000 + seed)
    return [float(rng.random() < 0.05 * (1 + seed % 10)) for _ in range(LENGTH)]


def losses(seed: int) -> list[float]:
    """Absolute errors of a regression whose spread and mean change; also large and negative numbers."""
    rng = random.Random(3000 + seed)
    levels = ((0.0, 1.0), (0.8, 1.0), (-0.5, 2.5), (30.0, 4.0))
    return [sum(rng.random() - 0.5 for _ in range(6)) * spread + mean for mean, spread in levels for _ in range(1000)]


STREAMS: dict[str, Callable[[int], list[float]]] = {
    "abrupt": abrupt,
    "gradual": gradual,
    "still": still,
    "losses": losses,
}
