"""Monitors in the deployment file: defaults, and what is refused in which words."""

import pytest

from seatrial.spec.problems import SpecError
from seatrial.spec.read import load_deployment

HEAD = """\
deployment: churn
variants: {champion: {model: "models:/churn@champion"}}
outcomes: {churned: {label: true}, purchase: {}, told: {label: true, fields: {x: string}}}
metrics:
  right: {kind: accuracy, outcome: churned, within: 30d}
  soon: {kind: accuracy, outcome: churned, within: 7d}
  bought: {kind: proportion, outcome: purchase, within: 7d}
  price: {kind: mean, outcome: churned, within: 7d}
"""


def read(monitors: str, head: str = HEAD) -> object:
    return load_deployment(f"{head}monitors: {{{monitors}}}\n").monitors


def test_a_label_may_take_as_long_as_its_longest_metric_allows() -> None:
    monitors = load_deployment(HEAD + "monitors: {concept: {outcome: churned}}\n").monitors
    assert monitors.concept is not None
    assert (monitors.concept.within, monitors.concept.detector, monitors.concept.window) == (
        30 * 86400.0,
        "adwin",
        3600,
    )
    said = load_deployment(HEAD + "monitors: {concept: {outcome: churned, within: 2d}}\n").monitors
    assert said.concept is not None
    assert said.concept.within == 2 * 86400.0


@pytest.mark.parametrize("metric", ["right", "price"])
def test_what_is_about_labels_can_be_estimated(metric: str) -> None:
    monitors = load_deployment(HEAD + f"monitors: {{performance: {{metric: {metric}, estimate: true}}}}\n").monitors
    assert monitors.performance is not None
    assert monitors.performance.estimate


REFUSED = {
    "performance: {metric: bought, estimate: true}": "`bought` is a proportion of `purchase`, which is no label",
    "performance: {metric: p99}": "a performance monitor of `p99` is not built yet",
    "performance: {metric: rigth}": "`rigth` is not a declared metric; did you mean `right`",
    "concept: {outcome: purchase}": "`purchase` is none; declare `purchase: {label: true}`",
    "concept: {outcome: chruned}": "`chruned` is not a declared outcome; did you mean `churned`",
    "concept: {outcome: churned, detector: adwim}": "did you mean `adwin`",
    "concept: {outcome: churned, value: x}": "`x` is not a field of the outcome `churned`; it has none: remove `value`",
    "concept: {outcome: told, within: 1d}": "`told` has 1; it can be `x`: add `value`",
    "concept: {outcome: told, value: y, within: 1d}": "`y` is not a field of the outcome `told`",
    "concept: {outcome: told, value: x}": "no metric of `told` has a `within`; add one here, `within: 7d`",
    "concept: {}": "outcome",
    "performance: {metric: price, calibration: true}": "`price` is a mean; watch an accuracy",
    "fairness: {}": "by",
    "performance: {metric: right, segments: [context.region]}": "not a declared key of the context",
    "performance: {metric: bought, segments: [features.region]}": "`bought` is a proportion; watch an accuracy",
    "fairness: {by: [region]}": "write `context.<name>` or `features.<name>`",
    "fairness: {by: [context.region]}": "not a declared key of the context; add `context: {region: string}`",
    "fairness: {by: [features.region], value: x}": "no `outcome` is named",
    "fairness: {by: [features.region], outcome: purchase}": "`purchase` is none; declare `purchase: {label: true}`",
    "data: {constraints: {age: {}}}": "the constraint of `age` says nothing",
    "data: {constraints: {age: {least: 5, most: 1}}}": "`least` is 5 and `most` is 1: nothing lies between",
    "data: {constraints: {age: {least: 5, values: [a]}}}": "`age` has `values` and a range",
    "data: {constraints: {age: {lesat: 5}}}": "did you mean `least`",
    "data: {constraints: {}}": "is empty",
    "data: {arrival: often}": "usual",
    "data: {arrival: {at_least: 10, at_most: 5}}": "`at_least` is 10 and `at_most` is 5",
}


@pytest.mark.parametrize("monitors", REFUSED)
def test_what_cannot_be_watched_is_refused_in_one_sentence(monitors: str) -> None:
    with pytest.raises(SpecError) as caught:
        read(monitors)
    assert len(caught.value.problems) == 1, caught.value.problems
    assert REFUSED[monitors] in caught.value.problems[0].message


def test_a_detector_of_mistakes_is_refused_for_a_regression() -> None:
    head = HEAD.replace("variants", "task: regression\nvariants").replace("kind: accuracy", "kind: mean")
    with pytest.raises(SpecError, match="`ddm` reads answers that are right or wrong, but the task is `regression`"):
        read("concept: {outcome: churned, detector: ddm}", head)
