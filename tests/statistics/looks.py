"""Worlds without a true effect, looked at a hundred times: what the sequences say in each.

Everything is an array [worlds, looks]; the standard errors, half-widths and minimum are those of ``seatrial.stats``,
and ``test_looks.py`` holds this file's decisions to the product's, look by look.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from seatrial.stats.conditional import Direction, PhaseCounts, log_evidence
from seatrial.stats.interval import Side
from seatrial.stats.minimum import MINIMUM_EVENTS, MINIMUM_UNITS
from seatrial.stats.sequence import multipliers

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]
Draw = Callable[[np.random.Generator, tuple[int, ...]], Array]


class Arm(NamedTuple):
    """Running totals of one arm at each look [worlds, looks]."""

    n: Array
    total: Array
    squares: Array

    @property
    def mean(self) -> Array:
        return self.total / np.maximum(self.n, 1)

    @property
    def m2(self) -> Array:
        return np.maximum(self.squares - self.n * self.mean**2, 0.0)


class Kind(NamedTuple):
    """A distribution of one value a unit in each arm: a way to draw it, or the chance of a one."""

    name: str
    treatment: Draw | float
    control: Draw | float

    @property
    def two_valued(self) -> bool:
        return isinstance(self.treatment, float)


def lognormal(sigma: float) -> Draw:
    """Mean 1."""
    return lambda rng, shape: np.exp(sigma * rng.standard_normal(shape) - sigma**2 / 2)


def zero_inflated(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Five in a hundred buy, lognormally: revenue per visitor."""
    return np.where(rng.random(shape) < 0.05, np.exp(rng.standard_normal(shape)), 0.0)


KINDS = (
    Kind("lognormal 1.5", lognormal(1.5), lognormal(1.5)),
    Kind("lognormal 2", lognormal(2.0), lognormal(2.0)),
    Kind("lognormal 2 against 1.5", lognormal(2.0), lognormal(1.5)),
    Kind("lognormal 1.5 against 2", lognormal(1.5), lognormal(2.0)),
    Kind("lognormal 1.5 against 1", lognormal(1.5), lognormal(1.0)),
    Kind("lognormal 1.2 against 1", lognormal(1.2), lognormal(1.0)),
    Kind("zero-inflated", zero_inflated, zero_inflated),
    Kind("Bernoulli 0.2", 0.2, 0.2),
    Kind("Bernoulli 0.01", 0.01, 0.01),
    Kind("Bernoulli 0.001", 0.001, 0.001),
)
SHARES = (0.5, 0.05, 0.01)


class World(NamedTuple):
    """Both arms, and the treatment's configured share."""

    treatment: Arm
    control: Arm
    share: float
    two_valued: bool


def simulate(kind: Kind, share: float, *, worlds: int, units: int, looks: int, seed: int) -> World:
    """Units drawn into the treatment at random with chance ``share``; ``looks`` evenly spaced looks."""
    rng = np.random.default_rng(seed)
    parts = [
        _block(kind, share, (min(50, worlds - start), looks, units // looks), rng) for start in range(0, worlds, 50)
    ]
    treatment, control = ([part[i] for part in parts] for i in (0, 1))
    return World(_joined(treatment), _joined(control), share, kind.two_valued)


def speaks(world: World) -> Flags:
    """Where the minimum for the asymptotic sequence is met."""
    t, c = world.treatment, world.control
    enough = np.minimum(t.n, c.n) >= MINIMUM_UNITS
    if world.two_valued:
        fewest = np.minimum.reduce([t.total, t.n - t.total, c.total, c.n - c.total])
        enough &= fewest >= MINIMUM_EVENTS
    return enough & (t.m2 + c.m2 > 0)


def z_scores(world: World, *, pooled: bool = True, shift: float = 0.0) -> Array:
    """(effect - shift) over its standard error, the larger of unpooled and (if ``pooled``) pooled; 0 where unknown."""
    t, c = world.treatment, world.control
    with np.errstate(divide="ignore", invalid="ignore"):
        variance = t.m2 / (t.n - 1) / t.n + c.m2 / (c.n - 1) / c.n
        if pooled:
            variance = np.maximum(variance, (t.m2 + c.m2) / (t.n + c.n - 2) * (1 / t.n + 1 / c.n))
        z = (t.mean - c.mean - shift) / np.sqrt(variance)
    return np.where(np.isfinite(z), z, 0.0)


def claims(world: World, side: Side, alpha: float, *, exact: bool = True, shift: float = 0.0) -> Flags:
    """Where the sequence excludes 0 (``lower``: says above, ``upper``: below), by the method that applies there."""
    enough, z = speaks(world), z_scores(world, shift=shift)
    half = multipliers(np.maximum(world.treatment.n + world.control.n, 1), alpha, side=side)
    distance = {"two": np.abs(z), "lower": z, "upper": -z}[side]
    found: Flags = enough & (distance > half)
    if exact and world.two_valued and shift == 0:
        found |= exact_claims(world, side, alpha, where=~enough)
    return found


def exact_claims(world: World, side: Side, alpha: float, *, where: Flags | None = None) -> Flags:
    """Where the exact sequence excludes equality; ``where`` limits the looks that are asked."""
    asked = np.ones(world.treatment.n.shape, bool) if where is None else where
    level = np.log((2 if side == "two" else 1) / alpha)
    directions: tuple[Direction, ...] = ("greater",) if side == "lower" else ("less",)
    if side == "two":
        directions = ("greater", "less")
    pairs = np.stack([world.treatment.total[asked], world.control.total[asked]], -1)
    unique, place = np.unique(pairs, axis=0, return_inverse=True)
    evidence = [
        max(log_evidence((PhaseCounts(int(x), 0, int(y), 0, world.share),), d) for d in directions) for x, y in unique
    ]
    found: Flags = np.zeros(asked.shape, bool)
    found[asked] = np.array(evidence)[place.ravel()] >= level if evidence else False
    return found


def _block(kind: Kind, share: float, shape: tuple[int, int, int], rng: np.random.Generator) -> tuple[Arm, Arm]:
    n = rng.binomial(shape[2], share, shape[:2])
    if isinstance(kind.treatment, float) and isinstance(kind.control, float):
        return _ones(kind.treatment, n, rng), _ones(kind.control, shape[2] - n, rng)
    assert callable(kind.treatment)
    assert callable(kind.control)
    members = np.arange(shape[2]) < n[..., None]
    return _values(kind.treatment, members, rng), _values(kind.control, ~members, rng)


def _ones(chance: float, n: NDArray[np.int64], rng: np.random.Generator) -> Arm:
    events = rng.binomial(n, chance).cumsum(1).astype(np.float64)
    return Arm(n.cumsum(1).astype(np.float64), events, events)


def _values(draw: Draw, members: Flags, rng: np.random.Generator) -> Arm:
    values = np.where(members, draw(rng, members.shape), 0.0)
    n = members.sum(-1).astype(np.float64)
    return Arm(n.cumsum(1), values.sum(-1).cumsum(1), (values**2).sum(-1).cumsum(1))


def _joined(arms: list[Arm]) -> Arm:
    return Arm(*(np.concatenate(part) for part in zip(*arms, strict=True)))
