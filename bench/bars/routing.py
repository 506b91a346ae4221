"""What a decision costs, rules aside: from a unit to a variant, its reason and its propensity, microseconds.

Blocks of decisions for fresh units, one block of each kind in turn; the median block and the least are told.
"""

import statistics
import time
from pathlib import Path
from typing import Any

from bench import results
from bench.bars.arguments import parser
from bench.published import snapshot
from seatrial.routing.router import Router

BLOCK = 20_000
_NOWHERE = (Path("/nowhere"), "digest")


def measure(seconds: float, blocks: int) -> dict[str, Any]:
    """Microseconds a decision, by block."""
    routers = {f"{n} variants": Router(snapshot("bench", {f"v{i}": _NOWHERE for i in range(n)})) for n in (1, 2, 3, 5)}
    taken: dict[str, list[float]] = {name: [] for name in routers}
    end = time.perf_counter() + seconds
    while len(taken["1 variants"]) < blocks or time.perf_counter() < end:
        for name, router in routers.items():
            first = len(taken[name]) * BLOCK
            units = [f"customer-{first + i}" for i in range(BLOCK)]
            decide = router.decide
            started = time.perf_counter_ns()
            for unit in units:
                decide(unit)
            taken[name].append((time.perf_counter_ns() - started) / 1000 / BLOCK)
    return {"machine": results.machine(), "decision_us": taken}


def render(found: dict[str, Any]) -> str:
    lines = [
        [name, f"{statistics.median(blocks):.2f}", f"{min(blocks):.2f}", str(len(blocks))]
        for name, blocks in found["decision_us"].items()
    ]
    return results.rows(["split over", "µs a decision, median block", "least", f"blocks of {BLOCK:,}"], lines)


if __name__ == "__main__":
    given = parser("routing", __doc__).parse_args()
    results.run("routing", given, lambda: measure(given.seconds, given.pairs), render)
