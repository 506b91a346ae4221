"""What rules cost a request, from 1 to 10 000 of them: ``python -m bench.rules``.

Rules are of equality and range conditions (a country, and a step of tenure), each with a target of its own, no two
alike. Requests are drawn so that every rule is hit as often as the next; one in ten hits none. The plain walk asks one
rule after the other. Figures are the median of seven runs, in microseconds a request, one core.
"""

import random
import statistics
import time
from collections.abc import Callable, Sequence

from seatrial.routing.first_match import FirstMatch
from seatrial.routing.rules import expression as e
from seatrial.routing.rules.compiling import compile_rule
from seatrial.routing.rules.index import build

SIZES = (1, 3, 10, 30, 100, 300, 1_000, 3_000, 10_000)
STEPS = 20
REQUESTS = 500
Given = tuple[dict[str, object], dict[str, object], str]


def made(count: int) -> list[e.Expression]:
    """So many rules."""
    country, tenure = e.Attribute("context", "country", "string"), e.Attribute("features", "tenure", "double")
    rules: list[e.Expression] = []
    for position in range(count):
        step = position % STEPS
        which = e.Compare("==", country, e.Constant(f"C{position // STEPS}", "string"))
        low = e.Compare(">=", tenure, e.Constant(step * 10.0, "double"))
        high = e.Compare("<", tenure, e.Constant(step * 10.0 + 10, "double"))
        rules.append(e.AllOf((which, low, high)))
    return rules


def asked(count: int) -> list[Given]:
    """Requests, seed 7."""
    chance = random.Random(7)
    requests: list[Given] = []
    for _ in range(REQUESTS):
        position = chance.randrange(count)
        country = "nowhere" if chance.random() < 0.1 else f"C{position // STEPS}"
        tenure = position % STEPS * 10 + chance.random() * 10
        requests.append(({"tenure": tenure, "age": 40.0}, {"country": country}, "customer-17"))
    return requests


def microseconds(find: Callable[..., int], requests: Sequence[Given]) -> float:
    """The median of seven runs."""
    runs = []
    for _ in range(7):
        began = time.perf_counter()
        for request in requests:
            find(*request)
        runs.append((time.perf_counter() - began) / len(requests) * 1e6)
    return statistics.median(runs)


def main() -> None:
    print(f"{'rules':>6}  {'indexed':>8}  {'plain walk':>10}  {'index built in':>14}")
    for count in SIZES:
        rules, requests = made(count), asked(count)
        named = [(str(position), rule, None) for position, rule in enumerate(rules)]
        indexed = FirstMatch(named, lambda _: None)
        compiled = [compile_rule(rule).holds for rule in rules]

        def walk(*request: object, compiled: Sequence[Callable[..., bool]] = compiled) -> int:
            return next((at for at, holds in enumerate(compiled) if holds(*request)), len(compiled))

        assert all(indexed.find(*request) == walk(*request) for request in requests)
        began = time.perf_counter()
        build(rules)
        took = (time.perf_counter() - began) * 1e3
        plain = microseconds(walk, requests[:50] if count > 1000 else requests)
        print(f"{count:>6}  {microseconds(indexed.find, requests):>8.2f}  {plain:>10.2f}  {took:>11.1f} ms")


if __name__ == "__main__":
    main()
