"""What a bandit's decision costs, microseconds: by weights (ten arms), and by context (ten arms, thirty features).

CPU time, of blocks of decisions for fresh units and contexts, one block of each kind in turn: the median and the least.
It is the gateway's own decision: by context, from the context's values to numbers, chances and the draw by hash.
"""

import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from bench import results
from bench.bars.arguments import parser
from bench.published import snapshot
from seatrial.bandits import InverseGap, LinearBelief, LinearThompson, Regression, SquareCB
from seatrial.routing.router import Router
from seatrial.routing.snapshot import Arm, ByContext, Column, ContextKey

ARMS, FEATURES, LEARNED, BLOCK = 10, 30, 500, 2_000


def router(weights: NDArray[np.float64], by: ByContext | None = None, context: tuple[ContextKey, ...] = ()) -> Router:
    """Over a bandit entry of ten arms, as a gateway has it."""
    made = snapshot("bench", {f"v{i}": (Path("/nowhere"), "digest") for i in range(ARMS)})
    arms = tuple(Arm(f"v{i}", float(weight)) for i, weight in enumerate(weights))
    entry = msgspec.structs.replace(
        made.entries[0], arms=arms, by_context=by, reason="bandit", salt="bench/everybody/epoch-7", phase=7
    )
    return Router(msgspec.structs.replace(made, entries=(entry,), context=context))


def by_weights() -> Callable[[int], object]:
    weights = np.random.default_rng(1).dirichlet(np.ones(ARMS))
    decide = router(weights / weights.sum()).decide
    return lambda i: decide(f"customer-{i}")


def by_context(policy: SquareCB | LinearThompson, *, alike: bool) -> Callable[[int], object]:
    """A router over a bandit that has learned from 500 rewards an arm; ``alike``: all arms are equally good, the most
    work there is."""
    rng = np.random.default_rng(2)
    contexts = [tuple(row) for row in rng.normal(size=(1000, FEATURES)).tolist()]
    seen = np.concatenate([np.ones((ARMS, LEARNED, 1)), rng.normal(size=(ARMS, LEARNED, FEATURES))], axis=2)
    lines = np.zeros((ARMS, FEATURES + 1)) if alike else rng.normal(0, 0.02, (ARMS, FEATURES + 1))
    rewards = [0.5 + x @ line + rng.normal(0, 0.1, LEARNED) for x, line in zip(seen, lines, strict=True)]
    empty = Regression.empty(FEATURES + 1)
    published = policy.publish([empty.with_rewards(x, r) for x, r in zip(seen, rewards, strict=True)], 0.01)
    keys = [f"x{i}" for i in range(FEATURES)]
    by = ByContext(
        policy="squarecb" if isinstance(published, InverseGap) else "linear-thompson",
        columns=tuple(Column(key=key, kind="number") for key in keys),
        arms=tuple(f"v{i}" for i in range(ARMS)),
        coefficients=tuple(map(tuple, published.coefficients.tolist())),
        spreads=published.spreads.tobytes() if isinstance(published, LinearBelief) else b"",
        gamma=published.gamma if isinstance(published, InverseGap) else 0.0,
        floor=0.01,
    )
    decide = router(np.full(ARMS, 1 / ARMS), by, tuple(ContextKey(key, "number") for key in keys)).decide
    return lambda i: decide(f"customer-{i}", contexts[i % 1000])


def measure(seconds: float, blocks: int) -> dict[str, Any]:
    """Microseconds a decision, by block."""
    kinds: dict[str, Callable[[int], object]] = {
        "by weights, 10 arms": by_weights(),
        "SquareCB, 10 arms, 30 features": by_context(SquareCB(), alike=False),
        "linear Thompson, 10 arms, 30 features": by_context(LinearThompson(), alike=False),
        "linear Thompson, all arms alike": by_context(LinearThompson(), alike=True),
    }
    taken: dict[str, list[float]] = {name: [] for name in kinds}
    end = time.perf_counter() + seconds
    while min(map(len, taken.values())) < blocks or time.perf_counter() < end:
        for name, decide in kinds.items():
            first = len(taken[name]) * BLOCK
            started = time.process_time_ns()
            for i in range(first, first + BLOCK):
                decide(i)
            taken[name].append((time.process_time_ns() - started) / 1000 / BLOCK)
    return {"machine": results.machine(), "decision_us": taken}


def render(found: dict[str, Any]) -> str:
    lines: list[Sequence[str]] = [
        [name, f"{statistics.median(blocks):.1f}", f"{min(blocks):.1f}", str(len(blocks))]
        for name, blocks in found["decision_us"].items()
    ]
    return results.rows(["decision", "CPU µs, median block", "least", f"blocks of {BLOCK:,}"], lines)


if __name__ == "__main__":
    given = parser("bandits", __doc__).parse_args()
    results.run("bandits-hot", given, lambda: measure(given.seconds, given.pairs), render)
