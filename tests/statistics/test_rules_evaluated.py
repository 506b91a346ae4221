"""A rule set evaluated on traffic that something else has drawn, in worlds of known truth."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binom

from seatrial.bandits import Logged, OffPolicy, off_policy
from seatrial.control.other_routing import OtherRouting, read_other_routing
from seatrial.spec.read import load_deployment
from tests.harbour import Harbour
from tests.statistics.logged_worlds import World, target

ARMS = ("a", "b", "c")
FILE = """\
deployment: churn
task: classification
context: {x: number, y: number}
variants: {a: {model: "models:/churn/1"}, b: {model: "models:/churn/2"}, c: {model: "models:/churn/3"}}
default: a
outcomes: {purchase: {}}
routing:
"""
RUNNING = FILE + "  - {name: all, bandit: {arms: [a, b, c], reward: {outcome: purchase, within: 1h}, every: 1h}}\n"
RULES = (
    FILE
    + """\
  - {name: right, when: context.x > 0.0, split: {a: 80%, b: 10%, c: 10%}}
  - {name: left, split: {a: 10%, b: 80%, c: 10%}}
"""
)
WORLDS = 60
TRUTHS = {world: world.truth() for world in (World(), World(wavy=True))}
"""The rules are the target policy of ``logged_worlds``."""


@pytest.fixture(scope="module")
def rules(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OtherRouting]:
    harbour = Harbour(Path(tmp_path_factory.mktemp("home")))
    harbour.apply(RUNNING)
    state = harbour.state.deployments.get("churn")
    yield read_other_routing(harbour.site, load_deployment(RUNNING), state, RULES)
    harbour.close()


def evaluated(rules: OtherRouting, drawn: Logged, told: np.ndarray | None = None) -> OffPolicy:
    """As ``bandit evaluate --file`` does it; ``told``: the propensities that were logged."""
    assert drawn.contexts is not None
    assert list(rules.reads) == ["x"]
    values = [(x,) for x in drawn.contexts[:, 0].tolist()]
    arms, chances, _ = rules.chances([f"u{unit}" for unit in drawn.units], values, ARMS)
    assert arms == ARMS
    assert np.array_equal(chances, target(drawn.contexts))
    given = drawn.propensities if told is None else told
    return off_policy(Logged(drawn.units, drawn.arms, drawn.rewards, given, rules.contexts(values)), chances)


@pytest.mark.parametrize("world", list(TRUTHS), ids=["lines", "waves"])
def test_intervals_cover_what_the_rules_would_have_earned(rules: OtherRouting, world: World) -> None:
    rng, methods = np.random.default_rng(13), ("ips", "snips", "doubly-robust", "switch")
    hits = dict.fromkeys(methods, 0)
    for _ in range(WORLDS):
        found = evaluated(rules, world.draw(600, rng))
        for method in methods:
            one = found.estimate(method)  # type: ignore[arg-type]
            hits[method] += one.lower <= TRUTHS[world] <= one.upper
    assert min(hits.values()) >= binom.ppf(0.001, WORLDS, 0.93), hits


def test_rules_are_judged_right_where_either_the_lines_or_the_propensities_are(rules: OtherRouting) -> None:
    rng = np.random.default_rng(14)
    wavy = evaluated(rules, World(wavy=True).draw(40_000, rng))
    direct, robust = wavy.estimate("direct"), wavy.estimate("doubly-robust")
    truth = TRUTHS[World(wavy=True)]
    assert abs(direct.value - truth) > 6 * direct.se, "the lines alone are wrong in waves"
    assert abs(robust.value - truth) < 4 * robust.se
    drawn = World().draw(100_000, rng)
    assert drawn.contexts is not None
    told = drawn.propensities * np.where(drawn.contexts[:, 0] > 0, 1.7, 0.3)
    chances = target(drawn.contexts)[np.arange(100_000), drawn.arms]
    told *= (chances / told).mean()  # so that the weights average 1 and it is not refused
    wrong = evaluated(rules, drawn, told.clip(0, 0.999))
    ips, robust = wrong.estimate("ips"), wrong.estimate("doubly-robust")
    assert abs(ips.value - TRUTHS[World()]) > 4 * ips.se
    assert abs(robust.value - TRUTHS[World()]) < 4 * robust.se
