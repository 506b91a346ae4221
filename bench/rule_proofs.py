"""How long ``seatrial rules check`` takes on 50 rules: ``python -m bench.rule_proofs``; seed 1, in process.

Seconds are of one core's time, so that a busy machine tells the same.

Two sets: *tidy* (a country and a step of tenure each, as people write them) and *tangled* (ranges, lists, flags and
prefixes drawn at random, so that hundreds of pairs overlap and ten rules never fire).
"""

import random
import statistics
import time

from seatrial.proofs.check import check_rules
from seatrial.proofs.findings import Entry, RuleSet
from seatrial.routing.rules.parsing import Names, parse_rule

NAMES = Names(
    {"tenure": "double", "plan": "string", "vip": "bool", "visits": "int"}, {"country": "string", "age": "int"}
)
COUNTRIES, TARGETS = ["US", "CA", "DE", "FR", "GB", "IT"], ["a", "b", "c"]


def tidy(chance: random.Random) -> list[tuple[str, str]]:
    return [
        (
            f'context.country == "{COUNTRIES[n % 6]}" && features.tenure >= {n // 6 * 10} && '
            f"features.tenure < {n // 6 * 10 + 10}",
            chance.choice(TARGETS),
        )
        for n in range(50)
    ]


def tangled(chance: random.Random) -> list[tuple[str, str]]:
    made = []
    for _ in range(50):
        country, low = chance.choice(COUNTRIES), chance.randrange(60)
        forms = [
            f'context.country == "{country}" && features.tenure > {low}',
            f"features.tenure >= {low} && features.tenure < {low + 10}",
            f'context.country in ["{country}", "{chance.choice(COUNTRIES)}"] && context.age < {low}',
            f'features.plan == "{country}" && features.visits > {low}',
            f'unit.startsWith("{country}") || features.vip && features.visits == {low}',
        ]
        made.append((chance.choice(forms), chance.choice(TARGETS)))
    return made


def main() -> None:
    for name, make in (("tidy", tidy), ("tangled", tangled)):
        given = make(random.Random(1))
        entries = [Entry(f"r{at}", parse_rule(rule, NAMES), target) for at, (rule, target) in enumerate(given)]
        rules = RuleSet((*entries, Entry("rest", None, "a")), "a")
        took = []
        for _ in range(5):
            began = time.process_time()
            found = check_rules(rules)
            took.append(time.process_time() - began)
        print(
            f"{name:>8}: median {statistics.median(took):.2f} s of 5 (CPU); {len(found.never)} never fire, "
            f"{len(found.overlaps)} overlaps, {len(found.undecided)} undecided"
        )


if __name__ == "__main__":
    main()
