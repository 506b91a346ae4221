"""Metrics of answers against labels, through the whole judge, beside scikit-learn's numbers on the same rows."""

from typing import Any

import msgspec
import numpy as np
import pytest
from msgspec.structs import replace
from sklearn import metrics as oracle

from seatrial.experiments.declared_measures import declared_measures
from seatrial.experiments.judge import judge
from seatrial.experiments.judgement import Judgement, MetricJudgement
from seatrial.experiments.question import read
from seatrial.releases.plan import Plan
from seatrial.spec.deployment import Deployment
from tests import worlds

SECOND = worlds.SECOND
RUN = worlds.release((0.5, 0))
END = worlds.START + 1000 * SECOND
WINDOW = {"outcome": "truth", "within": 60.0, "grace": 1.0}
CLASSIFIED = ("precision", "recall", "f1", "log_loss", "brier", "auc", "calibration_error")


def deployment(*kinds: str, positive: str = "1", **release: Any) -> Deployment:
    errors = ("log_loss", "brier", "calibration_error", "mae", "rmse")
    declared = {
        kind: {"kind": kind, "want": "lower" if kind in errors else "higher", "positive": positive, **WINDOW}
        for kind in kinds
    }
    whole = {
        "of": "challenger",
        "into": "everybody",
        "stages": [{"kind": "test"}],
        "primary": {"metric": kinds[0], "minimum_effect": {"absolute": 0.01}},
    } | release
    return worlds.deployment(outcomes={"truth": {"label": True}}, metrics=declared, release=whole)


class World:
    """Units that ask one to three times and get a score; rows of a challenger that is ``sharper`` are better told."""

    def __init__(self, n: int = 1500, sharper: float = 1.0, seed: int = 1, labels: str = "number") -> None:
        rng = np.random.default_rng(seed)
        unit = np.repeat(np.arange(n), rng.integers(1, 4, n))
        m = len(unit)
        at = worlds.START + unit * 1000 + rng.integers(0, 10, m) * SECOND
        self.names = [f"sender-{i}" for i in unit]
        rows = worlds.rows(RUN, self.names, at)
        self.treated = np.asarray(rows["variant"] == "challenger")
        self.unit = unit
        signal = rng.normal(0, 1, m)
        self.truth = (rng.random(m) < 1 / (1 + np.exp(-1.5 * signal))).astype(int)
        noise = rng.normal(0, 1, m) / np.where(self.treated, sharper, 1.0)
        self.score = 1 / (1 + np.exp(-(signal + noise)))
        self.answer = (self.score > 0.5).astype(int)
        written: dict[str, Any] = {"prediction.label": self.answer, "prediction.score": self.score}
        value: dict[str, Any] = {"value_number": self.truth.astype(float)}
        if labels == "word":
            written["prediction.label"] = np.where(self.answer == 1, "spam", "ham").astype(object)
            value = {"value_text": np.where(self.truth == 1, "spam", "ham").astype(object)}
        outcomes = worlds.outcomes("truth", at + SECOND, request_id=rows["request_id"], **value)
        self.source = worlds.source([rows | written], [outcomes])


def score(metric: MetricJudgement, variant: str) -> float:
    (found,) = [one for one in metric.scores if one.variant == variant]
    assert found.value is not None
    assert found.lower is not None
    assert found.upper is not None
    assert found.lower <= found.value <= found.upper
    return found.value


ORACLES = {
    "precision": lambda y, a, _: oracle.precision_score(y, a),
    "recall": lambda y, a, _: oracle.recall_score(y, a),
    "f1": lambda y, a, _: oracle.f1_score(y, a),
    "log_loss": lambda y, _, s: oracle.log_loss(y, s),
    "brier": lambda y, _, s: oracle.brier_score_loss(y, s),
    "auc": lambda y, _, s: oracle.roc_auc_score(y, s),
}


@pytest.mark.parametrize("labels", ["number", "word"])
@pytest.mark.parametrize("kind", ORACLES)
def test_each_variant_s_value_is_scikit_learn_s(kind: str, labels: str) -> None:
    world = World(400, labels=labels)
    found = judge(
        deployment("recall", *(set(ORACLES) - {"recall"}), positive="spam" if labels == "word" else "1"),
        RUN,
        world.source,
        END,
    )
    metric = found.metric(kind)
    for variant, rows in (("champion", ~world.treated), ("challenger", world.treated)):
        expected = ORACLES[kind](world.truth[rows], world.answer[rows], world.score[rows])
        assert score(metric, variant) == pytest.approx(expected, rel=1e-9)
        means = {"champion": metric.verdict.control_mean, "challenger": metric.verdict.treatment_mean}
        assert means[variant] == pytest.approx(expected, rel=1e-9)


def regression(n: int = 1500, worse: float = 1.0) -> tuple[Any, np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    names = worlds.unit_names(n)
    rows = worlds.rows(RUN, names, np.full(n, worlds.START))
    treated = np.asarray(rows["variant"] == "challenger")
    truth = rng.normal(50, 10, n)
    answer = truth + rng.normal(0, 2, n) * np.where(treated, worse, 1.0)
    labels = worlds.outcomes(
        "truth", np.asarray(rows["at"]) + SECOND, request_id=rows["request_id"], value_number=truth
    )
    return worlds.source([rows | {"prediction.value": answer}], [labels]), treated, truth, answer


@pytest.mark.parametrize("kind", ["mae", "rmse"])
def test_errors_of_a_regression_are_scikit_learn_s_and_less_is_better(kind: str) -> None:
    source, treated, truth, answer = regression(worse=0.7)
    found = judge(deployment(kind), RUN, source, END).metric(kind)
    of = {"mae": oracle.mean_absolute_error, "rmse": oracle.root_mean_squared_error}[kind]
    for variant, rows in (("champion", ~treated), ("challenger", treated)):
        assert score(found, variant) == pytest.approx(of(truth[rows], answer[rows]), rel=1e-9)
    assert found.verdict.word == "better"
    assert found.verdict.effect == pytest.approx(
        of(truth[treated], answer[treated]) - of(truth[~treated], answer[~treated])
    )


def test_the_root_s_error_is_the_delta_method_s() -> None:
    source, treated, truth, answer = regression()
    found = judge(deployment("rmse"), RUN, source, END).metric("rmse")
    squares = (answer - truth) ** 2
    parts = [squares[arm].var(ddof=1) / arm.sum() / (4 * squares[arm].mean()) for arm in (treated, ~treated)]
    assert found.phases[0].standard_error == pytest.approx(np.sqrt(sum(parts)), rel=0.02)  # or the pooled one


def test_rows_of_a_unit_are_one_observation() -> None:
    world = World(300)
    found = judge(deployment("recall"), RUN, world.source, END).metric("recall")
    assert found.counts.champion + found.counts.challenger == 300
    assert len(world.unit) > 500


@pytest.mark.parametrize("kind", ["precision", "recall", "f1", "log_loss", "brier"])
def test_a_sharper_challenger_is_better(kind: str) -> None:
    found = judge(deployment(kind), RUN, World(6000, sharper=4.0).source, END)
    assert found.metric(kind).verdict.word == "better"
    assert found.recommendation == "ship"


def test_an_area_and_a_calibration_error_hold_for_one_look_and_say_so() -> None:
    found = judge(deployment("recall", "auc", "calibration_error"), RUN, World(sharper=4.0).source, END)
    for kind in ("auc", "calibration_error"):
        metric = found.metric(kind)
        assert metric.part == "secondary"
        assert "for one look" in metric.verdict.method
        assert "holds for one look" in metric.sentence
    assert found.metric("auc").verdict.word == "better"


def test_an_area_s_standard_error_is_by_unit() -> None:
    """Each row twice is no new evidence."""
    n = 600
    errors = []
    for copies in (1, 2):
        names = [f"sender-{i}" for i in np.repeat(np.arange(n), copies)]
        truth = np.repeat(np.random.default_rng(6).integers(0, 2, n), copies)
        value = np.repeat(np.random.default_rng(7).normal(0, 1, n), copies) + truth
        at = worlds.START + np.arange(n * copies)
        rows = worlds.rows(RUN, names, at) | {"prediction.label": truth, "prediction.score": 1 / (1 + np.exp(-value))}
        labels = worlds.outcomes("truth", at + SECOND, request_id=rows["request_id"], value_number=truth.astype(float))
        found = judge(deployment("recall", "auc"), RUN, worlds.source([rows], [labels]), END).metric("auc").verdict
        assert found.upper is not None
        assert found.lower is not None
        errors.append(found.upper - found.lower)
    assert errors[1] == pytest.approx(errors[0], rel=0.02)


def test_unanswered_rows_are_missed_positives_and_have_no_score_to_rate() -> None:
    n = 4
    rows = worlds.rows(RUN, ["a", "b", "c", "d"], np.full(n, worlds.START), status=["ok", "ok", "error", "ok"])
    rows |= {"prediction.label": [1, 0, None, 1], "prediction.score": [0.9, 0.2, None, 0.8]}
    labels = worlds.outcomes(
        "truth", [worlds.START + SECOND] * n, unit=["a", "b", "c", "d"], value_number=[1.0, 0, 1, 0]
    )
    measures = declared_measures(deployment("recall", "precision", "brier"), RUN)
    _, columns = read(worlds.source([rows], [labels]), RUN, measures, END)
    assert columns["recall"].x.tolist() == [1, 0, 0, 0]
    assert columns["recall"].y.tolist() == [1, 0, 1, 0]
    assert columns["precision"].y.tolist() == [1, 0, 0, 1]
    assert columns["precision"].labels.tolist() == [1, 1, 1, 1]
    assert columns["brier"].labels.tolist() == [1, 1, 0, 1]
    assert columns["brier"].x == pytest.approx([0.01, 0.04, 0.0, 0.64])


def test_of_several_classes_the_score_is_the_positive_one_s_own() -> None:
    rows = worlds.rows(RUN, ["a"], [worlds.START])
    rows |= {"prediction.label": ["cat"], "prediction.score.cat": [0.7], "prediction.score.dog": [0.2]}
    labels = worlds.outcomes("truth", [worlds.START + SECOND], unit=["a"], value_text=["dog"])
    measures = declared_measures(deployment("brier", positive="dog"), RUN)
    _, columns = read(worlds.source([rows], [labels]), RUN, measures, END)
    assert columns["brier"].x == pytest.approx([0.64])


def test_a_score_outside_0_to_1_is_none() -> None:
    rows = worlds.rows(RUN, ["a"], [worlds.START]) | {"prediction.label": [1], "prediction.score": [1.5]}
    labels = worlds.outcomes("truth", [worlds.START + SECOND], unit=["a"], value_number=[1.0])
    _, columns = read(worlds.source([rows], [labels]), RUN, declared_measures(deployment("log_loss"), RUN), END)
    assert columns["log_loss"].labels.tolist() == [0]


def test_scores_that_were_never_logged_are_said() -> None:
    rows = worlds.rows(RUN, ["a"], [worlds.START]) | {"prediction.label": [1]}
    found = judge(deployment("recall", "brier", "mae"), RUN, worlds.source([rows]), END)
    assert "no score of the label '1' has been logged" in found.metric("brier").sentence
    assert "no value has been logged" in found.metric("mae").sentence


def test_labels_of_one_kind_give_no_area() -> None:
    n = 400
    rows = worlds.rows(RUN, worlds.unit_names(n), np.full(n, worlds.START))
    rows |= {"prediction.label": np.ones(n, dtype=int), "prediction.score": np.full(n, 0.5)}
    labels = worlds.outcomes("truth", np.full(n, worlds.START), unit=rows["unit"], value_number=np.ones(n))
    found = judge(deployment("recall", "auc"), RUN, worlds.source([rows], [labels]), END).metric("auc")
    assert found.verdict.word == "no-data"
    assert "labels of both kinds" in found.sentence


def few_positives(positives: int, n: int = 400) -> Any:
    """Of each arm the first so many positives ranked first; all else is ranked by chance."""
    names = worlds.unit_names(n)
    rows = worlds.rows(RUN, names, np.full(n, worlds.START))
    treated = np.asarray(rows["variant"] == "challenger")
    truth, score = np.zeros(n), np.random.default_rng(12).random(n) * 0.9
    for arm in (treated, ~treated):
        truth[np.flatnonzero(arm)[:positives]] = 1.0
    score[(truth == 1) & treated] = 0.99
    rows |= {"prediction.label": (score > 0.5).astype(int), "prediction.score": score}
    labels = worlds.outcomes("truth", np.full(n, worlds.START + SECOND), unit=names, value_number=truth)
    return worlds.source([rows], [labels])


def test_a_fixed_release_on_an_area_of_few_positives_has_no_data_and_says_why() -> None:
    plan = {"name": "fixed", "units": 400}
    file = deployment("auc", method=plan)
    run = replace(RUN, plan=Plan(name="fixed", units=400))
    for positives, reason in ((1, "1 of 10 events of each kind"), (3, "3 of 10 events of each kind")):
        found = judge(file, run, few_positives(positives), END)
        assert found.metric("auc").verdict.word == "no-data"
        assert reason in found.metric("auc").sentence
        assert found.recommendation == "wait"
    enough = judge(file, run, few_positives(40), END)
    assert enough.metric("auc").verdict.word == "better"
    assert enough.recommendation == "ship"


def test_a_calibration_error_of_few_positives_is_no_data() -> None:
    """An arm without a positive is as far off as its probabilities, without any noise."""
    found = [
        judge(deployment("recall", "calibration_error"), RUN, few_positives(positives), END).metric("calibration_error")
        for positives in (0, 9, 40)
    ]
    assert [one.verdict.word == "no-data" for one in found] == [True, True, False]
    assert "0 of 10 labels of each kind" in found[0].sentence
    assert "9 of 10 labels of each kind" in found[1].sentence


def test_areas_without_any_spread_say_so() -> None:
    n = 400
    names = worlds.unit_names(n)
    truth = np.arange(n) % 2
    rows = worlds.rows(RUN, names, np.full(n, worlds.START))
    rows |= {"prediction.label": truth, "prediction.score": 0.1 + 0.8 * truth}
    labels = worlds.outcomes("truth", np.full(n, worlds.START), unit=names, value_number=truth.astype(float))
    found = judge(deployment("recall", "auc"), RUN, worlds.source([rows], [labels]), END).metric("auc")
    assert found.verdict.word == "no-data"
    assert "every pair of rows is ranked alike" in found.sentence


def test_a_calibration_error_is_not_combined_over_phases() -> None:
    run = worlds.release((0.3, 0), (0.5, 0.0005))
    n = 2000
    at = worlds.START + np.arange(n)
    rows = worlds.rows(run, worlds.unit_names(n), at)
    rng = np.random.default_rng(8)
    p = rng.random(n)
    rows |= {"prediction.label": (p > 0.5).astype(int), "prediction.score": p}
    labels = worlds.outcomes("truth", at + 1, unit=rows["unit"], value_number=(rng.random(n) < p).astype(float))
    found = judge(deployment("recall", "auc", "calibration_error"), run, worlds.source([rows], [labels]), END)
    assert found.metric("calibration_error").verdict.word == "no-data"
    assert "cannot be combined" in found.metric("calibration_error").sentence
    assert found.metric("auc").verdict.word == "inconclusive"
    assert len(found.metric("auc").phases) == 2


def test_a_judgement_of_answers_is_json_and_comes_back_the_same() -> None:
    found = judge(deployment(*CLASSIFIED), RUN, World(300).source, END)
    assert msgspec.json.decode(msgspec.json.encode(found), type=Judgement) == found
