"""What rules cost a request, from 1 to 10 000 of them: ``python -m bench.rules``.

Rules are of equality and range conditions (a country, and a step of tenure), each with a target of its own, no two
alike. Requests are drawn so that every rule is hit as often as the next; one in ten hits none. They carry 30 features,
a category among them that rules read and that travels as a whole number in one request of two. ``decide`` is all that
a request pays: its decision with rules, less that of the same deployment without. ``found`` is the index alone, and the
plain walk asks one rule after the other. Figures are the median of seven runs, in microseconds a request, one core.
"""

import random
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

from seatrial.routing.first_match import FirstMatch
from seatrial.routing.router import Router
from seatrial.routing.rules import expression as e
from seatrial.routing.rules.compiling import compile_rule
from seatrial.routing.rules.index import build
from seatrial.routing.snapshot import ContextKey, Entry, Slot, Snapshot
from seatrial.spec.signature import Answer, Feature, Signature

SIZES = (1, 3, 10, 30, 100, 300, 1_000, 3_000, 10_000)
STEPS = 20
REQUESTS = 500
FEATURES = (
    Feature(name="tenure", kind="number"),
    Feature(name="plan", kind="category"),
    *(Feature(name=f"feature_{number}", kind="number") for number in range(28)),
)
Given = tuple[str, tuple[object, ...], dict[str, object]]


def made(count: int) -> list[e.Expression]:
    """So many rules."""
    country, tenure = e.Attribute("context", "country", "string"), e.Attribute("features", "tenure", "double")
    plan = e.Attribute("features", "plan", "string")
    rules: list[e.Expression] = []
    for position in range(count):
        step = position % STEPS
        which = e.Compare("==", country, e.Constant(f"C{position // STEPS}", "string"))
        low = e.Compare(">=", tenure, e.Constant(step * 10.0, "double"))
        high = e.Compare("<", tenure, e.Constant(step * 10.0 + 10, "double"))
        rules.append(e.AllOf((which, low, high, e.Compare("==", plan, e.Constant("1", "string")))))
    return rules


def asked(count: int) -> list[Given]:
    """Requests, seed 7: unit, context, features."""
    chance = random.Random(7)
    requests: list[Given] = []
    for _ in range(REQUESTS):
        position = chance.randrange(count)
        country = "nowhere" if chance.random() < 0.1 else f"C{position // STEPS}"
        tenure = position % STEPS * 10 + chance.random() * 10
        plan = chance.choice(("1", 1))
        others = {feature.name: 40.0 for feature in FEATURES[2:]}
        requests.append(("customer-17", (country, None), {"tenure": tenure, "plan": plan, **others}))
    return requests


def router(rules: Sequence[e.Expression]) -> Router:
    """A deployment with these rules, and an entry for everybody behind them."""
    signature = Signature(task="regression", features=FEATURES, inputs=(), outputs=(), answer=Answer(prediction="y"))
    slot = Slot(variant="champion", model="m", version=1, digest="d", path="", runtime="onnx", signature=signature)
    ruled = [Entry(name=str(position), when=rule, to="champion") for position, rule in enumerate(rules)]
    return Router(
        Snapshot(
            deployment="bench",
            revision=1,
            task="regression",
            unit_name="customer",
            context=(ContextKey("country", "string"), ContextKey("segment", "string", True)),
            slots=(slot,),
            default="champion",
            entries=(*ruled, Entry(name="everybody", to="champion")),
        )
    )


def microseconds(ask: Callable[..., object], requests: Sequence[tuple[Any, ...]]) -> float:
    """The median of seven runs."""
    runs = []
    for _ in range(7):
        began = time.perf_counter()
        for request in requests:
            ask(*request)
        runs.append((time.perf_counter() - began) / len(requests) * 1e6)
    return statistics.median(runs)


def main() -> None:
    print(f"{'rules':>6}  {'decide':>8}  {'found':>8}  {'plain walk':>10}  {'index built in':>14}")
    bare = router([])
    for count in SIZES:
        rules, requests = made(count), asked(count)
        named = [(str(position), rule, None) for position, rule in enumerate(rules)]
        indexed = FirstMatch(named, lambda _: None)
        compiled = [compile_rule(rule).holds for rule in rules]
        ruled = router(rules)
        read = [
            (ruled.attributes.read(features), {"country": context[0]}, unit) for unit, context, features in requests
        ]

        def walk(*request: Any, compiled: Sequence[Callable[..., bool]] = compiled) -> int:
            return next((at for at, holds in enumerate(compiled) if holds(*request)), len(compiled))

        assert all(indexed.find(*request) == walk(*request) for request in read)
        began = time.perf_counter()
        build(rules)
        took = (time.perf_counter() - began) * 1e3
        paid = microseconds(ruled.decide, requests) - microseconds(bare.decide, requests)
        plain = microseconds(walk, read[:50] if count > 1000 else read)
        found = microseconds(indexed.find, read)
        print(f"{count:>6}  {paid:>8.2f}  {found:>8.2f}  {plain:>10.2f}  {took:>11.1f} ms")


if __name__ == "__main__":
    main()
