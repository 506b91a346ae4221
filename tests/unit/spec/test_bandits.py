"""Bandits in the deployment file: what is read, and every refusal with its sentence."""

import pytest

from seatrial.spec.deployment import BanditSpec
from seatrial.spec.problems import SpecError
from seatrial.spec.read import load_deployment

FILE = """\
deployment: shop
unit: {{name: customer, from: context.who}}
context: {{who: string, age: optional number, country: string}}
variants: {{champion: {{model: "models:/shop/1"}}, challenger: {{model: "models:/shop/2"}}}}
outcomes: {{click: {{}}, churned: {{label: true}}, buy: {{fields: {{amount: number, note: string}}}}}}
routing:
  - {{name: everybody, bandit: {{{bandit}}}}}
"""
ARMS = "arms: [champion, challenger]"
CLICK = "reward: {outcome: click, within: 30m}"
SQUARE = "policy: squarecb"
BY_AGE = f"{SQUARE}, context: [age]"


def read(bandit: str) -> BanditSpec:
    found = load_deployment(FILE.format(bandit=bandit)).routing[0].bandit
    assert found is not None
    return found


def test_the_smallest_one_and_its_defaults() -> None:
    found = read(f"{ARMS}, {CLICK}")
    assert (found.policy, found.floor, found.every, found.half_life) == ("thompson", 0.01, 3600, None)
    assert (found.reward.outcome, found.reward.within, found.reward.kind) == ("click", 1800, "binary")


def test_a_full_one() -> None:
    found = read(
        f"{ARMS}, policy: top-two, floor: 5%, every: 15m, half_life: 5000, start: even, minimum_units: 200, "
        "prior: experiment, change_reset: true, penalty: {challenger: 0.5}, remove_failing: 5%, "
        "reward: {outcome: buy, value: amount, kind: hurdle, range: [0, 500], within: 1d, grace: 5m}"
    )
    assert (found.policy, found.floor, found.every, found.half_life) == ("top-two", 0.05, 900, 5000)
    assert found.reward.range == (0, 500)
    assert (found.penalty, found.remove_failing, found.prior) == ({"challenger": 0.5}, 0.05, "experiment")


@pytest.mark.parametrize(
    ("bandit", "said"),
    [
        (f"arms: [champion, chalenger], {CLICK}", "`chalenger` is not a declared variant; did you mean `challenger`?"),
        (f"arms: [champion, champion], {CLICK}", "the arm `champion` stands twice; name it once"),
        (f"{ARMS}, {CLICK}, floor: 26%", "takes 52% of the traffic from what is learned; lower it, or write `force:"),
        (f"{ARMS}, {CLICK}, floor: 60%, force: true", "takes 120% of the traffic from what is learned; lower it"),
        (f"{ARMS}, {CLICK}, floor: 0%, policy: ucb1", "so it needs a floor; write `floor: 5%`"),
        (f"{ARMS}, {CLICK}, sticky: for-ever", "one that is sticky for ever is a split, not a bandit: use `split`"),
        (f"{ARMS}, {CLICK}, policy: square-cb", "did you mean `squarecb`"),
        (f"{ARMS}, {CLICK}, policy: squarecb", "`squarecb` chooses by context; name keys or features"),
        (f"{ARMS}, {CLICK}, context: [age]", "`thompson` chooses alike for every unit; remove `context`"),
        (f"{ARMS}, {CLICK}, {SQUARE}, context: [aeg]", "`aeg` is not a declared context key; did you mean `age`?"),
        (f"{ARMS}, {CLICK}, {SQUARE}, context: [age, age]", "the key `age` stands twice; name it once"),
        (f"{ARMS}, {CLICK}, {SQUARE}, context: [who]", "`who` is who the unit is, of which nothing is learned for"),
        (f"{ARMS}, {CLICK}, {BY_AGE}, change_reset: true", "`change_reset` does not go with `squarecb`; remove it"),
        (f"{ARMS}, {CLICK}, {BY_AGE}, penalty: {{champion: 1}}", "`penalty` does not go with `squarecb`; remove it"),
        (
            f"{ARMS}, {BY_AGE}, reward: {{outcome: buy, value: amount, kind: normal, within: 1h}}",
            "`squarecb` needs the `range`",
        ),
        (
            f"{ARMS}, {BY_AGE}, reward: {{outcome: buy, value: amount, kind: hurdle, within: 1h}}",
            "and `hurdle` is none; write",
        ),
        (f"{ARMS}, {CLICK}, penalty: {{other: 1}}", "`other` is not an arm of it"),
        (f"{ARMS}, reward: {{outcome: clik, within: 1h}}", "`clik` is not a declared outcome; did you mean `click`?"),
        (f"{ARMS}, reward: {{outcome: churned, within: 1h}}", "is a label, and an absent label is missing, not a rew"),
        (f"{ARMS}, reward: {{outcome: click}}", "needs `within`"),
        (f"{ARMS}, reward: {{outcome: buy, value: amount, within: 1h}}", "with a `value` needs its `range`"),
        (f"{ARMS}, reward: {{outcome: buy, value: cost, within: 1h, kind: normal}}", "`cost` is not a field of"),
        (f"{ARMS}, reward: {{outcome: buy, value: note, within: 1h, kind: normal}}", "is a string, but a reward is a"),
        (f"{ARMS}, reward: {{outcome: click, within: 1h, range: [1, 0]}}", "is not two numbers, the lowest and the"),
        (
            f"{ARMS}, change_reset: true, reward: {{outcome: buy, value: amount, kind: hurdle, within: 1h}}",
            "`change_reset` needs the `range` of a reward",
        ),
    ],
)
def test_what_contradicts_itself_is_refused(bandit: str, said: str) -> None:
    with pytest.raises(SpecError) as refused:
        read(bandit)
    assert said in str(refused.value)
    assert "line 7" in str(refused.value)


def test_one_that_chooses_by_context() -> None:
    found = read(f"{ARMS}, {CLICK}, policy: linear-thompson, context: [country, age]")
    assert (found.policy, found.context) == ("linear-thompson", ("country", "age"))
    normal = "reward: {outcome: buy, value: amount, kind: normal, within: 1h}"
    assert read(f"{ARMS}, {normal}, policy: linear-thompson, context: [age]").reward.range is None
    assert read(f"{ARMS}, {CLICK}").context == ()


def test_floors_may_be_forced() -> None:
    assert read(f"{ARMS}, {CLICK}, floor: 30%, force: true").floor == 0.3


def test_a_release_into_a_bandit_is_refused() -> None:
    text = FILE.format(bandit=f"{ARMS}, {CLICK}") + (
        "metrics: {conversion: {kind: proportion, outcome: click, within: 1h}}\n"
        "release: {of: challenger, into: everybody, stages: [{test: {}}], "
        "primary: {metric: conversion, minimum_effect: {relative: 2%}}}\n"
    )
    with pytest.raises(SpecError, match="whose `bandit` moves the weights itself; give it a `split`"):
        load_deployment(text)
