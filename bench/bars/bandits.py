"""What a bandit's decision costs, microseconds: by weights (ten arms), and by context (ten arms, thirty features).

CPU time, of blocks of decisions for fresh units or contexts, one block of each kind in turn: the median and the least.
By weights it is the gateway's own decision. By context it is the chances of all arms from published coefficients, and
the draw by hash: gateways do not do that yet.
"""

import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from bench import results
from bench.bars.arguments import parser
from bench.published import snapshot
from seatrial.bandits import LinearThompson, Regression, SquareCB
from seatrial.routing.assign import draw, prefix
from seatrial.routing.router import Router
from seatrial.routing.snapshot import Arm

ARMS, FEATURES, LEARNED, BLOCK = 10, 30, 500, 2_000
_HEAD = prefix("bench/everybody/epoch-7", "")


def by_weights() -> Callable[[int], object]:
    """A router over a bandit entry of ten arms, as a gateway has it."""
    made = snapshot("bench", {f"v{i}": (Path("/nowhere"), "digest") for i in range(ARMS)})
    weights = np.random.default_rng(1).dirichlet(np.ones(ARMS))
    arms = tuple(Arm(f"v{i}", float(weight)) for i, weight in enumerate(weights / weights.sum()))
    entry = msgspec.structs.replace(
        made.entries[0], arms=arms, reason="bandit", salt="bench/everybody/epoch-7", phase=7
    )
    decide = Router(msgspec.structs.replace(made, entries=(entry,))).decide
    return lambda i: decide(f"customer-{i}")


def by_context(policy: SquareCB | LinearThompson, *, alike: bool) -> Callable[[int], object]:
    """A policy learned from 500 rewards an arm; ``alike``: all arms are equally good, the most work there is."""
    rng = np.random.default_rng(2)
    contexts = rng.normal(size=(1000, FEATURES))
    seen = rng.normal(size=(ARMS, LEARNED, FEATURES))
    lines = np.zeros((ARMS, FEATURES)) if alike else rng.normal(0, 0.02, (ARMS, FEATURES))
    rewards = [0.5 + x @ line + rng.normal(0, 0.1, LEARNED) for x, line in zip(seen, lines, strict=True)]
    empty = Regression.empty(FEATURES)
    chances = policy.publish([empty.with_rewards(x, r) for x, r in zip(seen, rewards, strict=True)], 0.01).chances

    def decide(i: int) -> int:
        place = draw(_HEAD, str(i).encode())
        return int(np.searchsorted(np.cumsum(chances(contexts[i % 1000])), place))

    return decide


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
