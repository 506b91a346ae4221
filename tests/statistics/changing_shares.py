"""How often shares of arrivals are said to change, where they do and where not; ``python -m`` prints the table."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from seatrial.analysis.changing import check_changing
from seatrial.analysis.reduce import Counts
from seatrial.analysis.verdicts import How

INTERVALS = 200


class World(NamedTuple):
    """Units, the treatment's share in the first half and in the second, and how many looks there are."""

    units: int
    early: float
    late: float
    looks: int = 1


WORLDS = (
    World(2_000, 0.5, 0.5),
    World(20_000, 0.05, 0.05),
    World(2_000, 0.5, 0.5, 20),
    World(20_000, 0.05, 0.05, 20),
    World(20_000, 0.1, 0.5),
    World(20_000, 0.1, 0.5, 20),
    World(20_000, 0.05, 0.06),
    World(20_000, 0.05, 0.06, 20),
)


def alarms(world: World, worlds: int) -> float:
    """The share of worlds in which any look said so; seeds from 0; one look by chi-squared, more by the sequence."""
    return sum(any(_looks(world, seed)) for seed in range(worlds)) / worlds


def _looks(world: World, seed: int) -> Iterator[bool]:
    rng = np.random.default_rng(seed)
    busy = rng.dirichlet(np.full(INTERVALS, 2.0))
    came = rng.multinomial(world.units, busy)
    new = rng.binomial(came, np.where(np.arange(INTERVALS) < INTERVALS // 2, world.early, world.late))
    share = float(new.sum() / came.sum()) if world.early != world.late else world.early
    shares = {"": {"control": 1 - share, "new": share}}
    method: How = "fixed" if world.looks == 1 else "always-valid"
    for look in range(1, world.looks + 1):
        end = INTERVALS * look // world.looks
        units = {"control": (came - new)[:end].tolist(), "new": new[:end].tolist()}
        if not sum(units["new"]) or not sum(units["control"]):
            continue
        yield not check_changing(Counts(0, 60_000_000, came[:end].tolist(), {"": units}, {}), shares, method).ok


def main() -> None:
    """Prints the table of the documentation."""
    print("| units | treatment's share | looks | said to change |\n|---|---|---|---|")
    for world in WORLDS:
        shares = f"{world.early:.0%}" if world.early == world.late else f"{world.early:.0%}, then {world.late:.0%}"
        found = alarms(world, 2000)
        print(f"| {world.units:,} | {shares} | {world.looks} | {100 * found:.1f} % |".replace(",", " ", 1))


if __name__ == "__main__":
    main()
