"""The other figures of the docs: `python -m tests.statistics.figures [worlds]` prints them as Markdown.

Power of the sequence, units until a worse canary is caught, the sample-ratio check, clustered requests, and shadows.
"""

import sys
from typing import NamedTuple

import numpy as np
from scipy.special import gammaln, ndtr, ndtri

from seatrial.stats.conditional import PhaseCounts, log_evidence
from seatrial.stats.interval import Side
from seatrial.stats.sample_ratio import ALARM, CONCENTRATION
from seatrial.stats.sequence import multipliers
from tests.statistics.looks import Arm, Array, Flags, Kind, World, claims, exact_claims, simulate, speaks, z_scores


def power(control: float, treatment: float, *, worlds: int, units: int, share: float = 0.5, seed: int = 1) -> float:
    """Share of worlds in which the two-sided sequence has spoken by ``units`` units."""
    kind = Kind("shares", treatment, control)
    world = simulate(kind, share, worlds=worlds, units=units, looks=100, seed=seed)
    return float(claims(world, "two", 0.05).any(1).mean())


def power_of_plain_welch(control: float, treatment: float, *, worlds: int, units: int, seed: int = 1) -> float:
    """The same with the unpooled standard error only."""
    world = simulate(Kind("shares", treatment, control), 0.5, worlds=worlds, units=units, looks=100, seed=seed)
    half = multipliers(world.treatment.n + world.control.n)
    return float((speaks(world) & (np.abs(z_scores(world, pooled=False)) > half)).any(1).mean())


def median_caught(
    control: float,
    treatment: float,
    *,
    worlds: int,
    units: int,
    share: float = 0.05,
    looks: int = 400,
    exact: bool = False,
) -> float:
    """Median canary units until the one-sided sequence (margin 0, alpha 0.05) says the shares differ this way."""
    world = simulate(Kind("shares", treatment, control), share, worlds=worlds, units=units, looks=looks, seed=1)
    side: Side = "lower" if treatment > control else "upper"
    found = exact_claims(world, side, 0.05) if exact else claims(world, side, 0.05)
    first = np.where(found.any(1), found.argmax(1), looks - 1)
    caught = np.where(found.any(1), world.treatment.n[np.arange(worlds), first], np.inf)
    return float(np.median(caught))


class Ratio(NamedTuple):
    """Shares of worlds in which the sample-ratio check ever alarmed."""

    nothing_wrong: float
    a_tenth_lost: float


def sample_ratio_alarms(share: float, units: int, *, worlds: int, looks: int = 100, seed: int = 1) -> Ratio:
    """With a correct split, and with 10 % of the treatment's units lost."""
    return Ratio(
        _alarms(share, share, units, worlds, looks, seed),
        _alarms(share * 0.9 / (share * 0.9 + 1 - share), share, units, worlds, looks, seed + 1),
    )


def _alarms(true: float, configured: float, units: int, worlds: int, looks: int, seed: int) -> float:
    rng = np.random.default_rng(seed)
    n = np.arange(1, looks + 1) * (units // looks)
    x = rng.binomial(units // looks, true, (worlds, looks)).cumsum(1)
    a, b = CONCENTRATION * configured, CONCENTRATION * (1 - configured)
    evidence = gammaln(a + x) - gammaln(a) + gammaln(b + n - x) - gammaln(b)
    evidence += gammaln(CONCENTRATION) - gammaln(CONCENTRATION + n)
    evidence -= x * np.log(configured) + (n - x) * np.log(1 - configured)
    return float((evidence > np.log(ALARM)).any(1).mean())


class Clustered(NamedTuple):
    """False claims among requests that resemble each other within a unit."""

    by_unit: float
    by_request: float


def clustered(
    *, worlds: int, units: int = 4000, requests: int = 20, correlation: float = 0.3, seed: int = 1
) -> Clustered:
    """A/A on a request-level rate of 5 %: the ratio by unit, and the exact sequence on requests as if independent."""
    rng = np.random.default_rng(seed)
    strength = 1 / correlation - 1
    looks, block = 50, units // 50
    chance = rng.beta(0.05 * strength, 0.95 * strength, (worlds, looks, block))
    failed = rng.binomial(requests, chance).astype(np.float64)
    members = np.arange(block) < rng.binomial(block, 0.5, (worlds, looks))[..., None]
    share = failed / requests
    world = World(_arm(share, members), _arm(share, ~members), 0.5, two_valued=False)
    counted = _effective(world)
    ours = claims(world, "two", 0.05) & counted
    events = [np.where(m, failed, 0.0).sum(-1).cumsum(1) for m in (members, ~members)]
    last = [_ever_exact(events[0][i], events[1][i]) for i in range(worlds)]
    return Clustered(float(ours.any(1).mean()), float(np.mean(last)))


def _arm(values: Array, members: Flags) -> Arm:
    kept = np.where(members, values, 0.0)
    n = members.sum(-1).astype(np.float64)
    return Arm(n.cumsum(1), kept.sum(-1).cumsum(1), (kept**2).sum(-1).cumsum(1))


def _effective(world: World) -> Flags:
    """The minimum of ten effective events in each arm, as ``Effect.of_ratios`` counts them."""
    with np.errstate(invalid="ignore"):
        enough = [np.nan_to_num(arm.total**2 / arm.squares) >= 10 for arm in (world.treatment, world.control)]
    both: Flags = enough[0] & enough[1]
    return both


def _ever_exact(x: Array, y: Array) -> bool:
    level = np.log(2 / 0.05)
    return any(
        log_evidence((PhaseCounts(int(a), 0, int(b), 0, 0.5),), direction) >= level
        for a, b in zip(x, y, strict=True)
        for direction in ("greater", "less")
    )


class Shadow(NamedTuple):
    """Shares of shadows with a claim by the last pair."""

    alike: float
    better: float


def shadows(*, worlds: int, pairs: int = 2000, looks: int = 100, seed: int = 1) -> Shadow:
    """Discordant in 6 % of pairs: evenly, and two to one for the challenger."""
    return Shadow(*(_shadow_claims(t, c, worlds, pairs, looks, seed) for t, c in ((0.03, 0.03), (0.04, 0.02))))


def _shadow_claims(treatment: float, control: float, worlds: int, pairs: int, looks: int, seed: int) -> float:
    rng = np.random.default_rng(seed)
    rest = 1 - treatment - control
    counts = rng.multinomial(pairs // looks, [treatment, control, rest], (worlds, looks)).cumsum(1)
    return float(np.mean([_ever_exact(world[:, 0], world[:, 1]) for world in counts.astype(np.float64)]))


def main(worlds: int = 2000) -> None:
    print("| shares | units | sequence speaks | with plain Welch | one fixed look |\n|---|---|---|---|---|")
    for control, treatment, units in (
        (0.10, 0.08, 10_000),
        (0.10, 0.08, 12_581),
        (0.10, 0.09, 40_000),
        (0.5, 0.52, 40_000),
    ):
        z = abs(control - treatment) / np.sqrt(2 / units * (control * (1 - control) + treatment * (1 - treatment)))
        fixed = float(ndtr(z - ndtri(0.975)))
        row = (
            power(control, treatment, worlds=worlds, units=units),
            power_of_plain_welch(control, treatment, worlds=worlds, units=units),
        )
        print(f"| {control:.0%} → {treatment:.0%} | {units} | {row[0]:.2f} | {row[1]:.2f} | {fixed:.2f} |", flush=True)
    print("\n| canary of 5 % | median canary units until caught | with the exact sequence throughout |\n|---|---|---|")
    cases = (
        (0.1, 0.09, 600_000),
        (0.1, 0.095, 2_000_000),
        (1e-9, 0.005, 60_000),
        (0.001, 0.006, 60_000),
        (0.005, 0.01, 160_000),
    )
    for control, treatment, units in cases:
        caught = median_caught(control, treatment, worlds=worlds, units=units)
        exact = (
            f"{median_caught(control, treatment, worlds=worlds, units=units, exact=True):.0f}" if control < 0.1 else ""
        )
        print(f"| {control:.1%} → {treatment:.1%} | {caught:.0f} | {exact} |", flush=True)
    print("\n| split | units | alarms when right | alarms with a tenth of one arm lost |\n|---|---|---|---|")
    for share, units in ((0.5, 20_000), (0.05, 50_000)):
        found = sample_ratio_alarms(share, units, worlds=worlds)
        print(f"| {share:.0%} | {units} | {found.nothing_wrong:.2%} | {found.a_tenth_lost:.1%} |", flush=True)
    requests = clustered(worlds=worlds)
    print(f"\nclustered requests: by unit {requests.by_unit:.1%}, by request {requests.by_request:.1%}", flush=True)
    pairs = shadows(worlds=worlds)
    print(f"shadows: alike {pairs.alike:.1%}, two to one {pairs.better:.1%}")


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
