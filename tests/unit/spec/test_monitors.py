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
    "skew: {outcome: churned}": "are fields of `churned`, and it has none; declare",
    "skew: {outcome: told, features: [y]}": "`y` is not a field of `told`; it can be `x`",
    "skew: {}": "outcome",
    "multivariate: {sample: 20000}": "sample",
    "multivariate: {model: forest}": "linear",
    "shadow_gap: {window: 50 rows}": "a window of 50 rows is always `no-data`",
    "data: {window: 1d, every: 7h}": "`every` is 7h, but a window of 1d is merged of whole parts",
    "data: {every: 2h}": "`every` is 2h, but a window of 1h is merged of whole parts",
    "data: {window: 30d, every: 1m}": "merged of 43200 parts, and 200 may be; write at least 216m",
    "data: {window: 0h}": "`0h` must be more than zero",
    "data: {window: 5000}": "`5000` is no length of a window: it is a duration above zero",
    "data: {window: 5000 rows, every: 1h}": "windows by rows follow one another; remove `every`",
    "data: {window: 5000 rows, against: same hours}": "compared with the training data, not with `same hours`",
    "data: {window: 5000 rows, arrival: usual}": "`arrival` says nothing",
    "data: {window: 2d, against: same hours}": "a window of 2d is compared with `same hours` 1d before, which is a",
    "data: {window: 7d, every: 1d, against: same hours}": "a window of 7d is compared with `same hours` 1d before",
    "data: {window: 14d, against: same weekday}": "a window of 14d is compared with `same weekday` 7d before",
    "data: {window: 8d, arrival: usual}": "`arrival: usual` compares a window of 8d with the same one a week before",
    "data: {window: 50 rows}": "a window of 50 rows is always `no-data`: `minimum_rows` is 100",
    "performance: {metric: right, window: 50 rows}": "`minimum_labels` is 100",
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


def test_windows_slide_or_are_by_rows() -> None:
    text = "monitors: {data: {window: 1d, every: 1h}, performance: {metric: right, window: 5000 rows}}\n"
    monitors = load_deployment(HEAD + text).monitors
    assert monitors.data is not None
    assert monitors.performance is not None
    assert (monitors.data.window, monitors.data.every, monitors.data.rows, monitors.data.step) == (
        86400,
        3600,
        None,
        3600,
    )
    assert (monitors.performance.rows, monitors.performance.every) == (5000, None)


@pytest.mark.parametrize("kind", ["ndcg", "hit_rate", "mrr", "precision_at", "recall_at"])
def test_rankings_are_watched(kind: str) -> None:
    head = (
        "deployment: shop\ntask: ranking\nvariants: {champion: {model: models:/m/1}}\noutcomes: {click: {}}\n"
        f"metrics: {{it: {{kind: {kind}, outcome: click, within: 1d}}}}\n"
    )
    monitors = load_deployment(head + "monitors: {performance: {metric: it}}\n").monitors
    assert monitors.performance is not None


@pytest.mark.parametrize("metric", ["kind: value, of: 2 * click", "kind: quantile, outcome: click, quantile: 90%"])
def test_values_and_quantiles_are_watched(metric: str) -> None:
    head = "deployment: shop\nvariants: {champion: {model: models:/m/1}}\noutcomes: {click: {}}\n"
    head += f"metrics: {{it: {{{metric}, within: 1d}}}}\n"
    assert load_deployment(head + "monitors: {performance: {metric: it}}\n").monitors.performance is not None


def test_a_gap_is_looked_for_as_long_as_the_file_says() -> None:
    monitors = load_deployment(HEAD + "monitors: {shadow_gap: {for: 3d}}\n").monitors
    assert monitors.shadow_gap is not None
    assert monitors.shadow_gap.duration == 3 * 86400
