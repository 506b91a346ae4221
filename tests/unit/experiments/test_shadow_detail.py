"""What is shown to somebody who asks of a shadow: metrics on the same pairs, and the pairs that differ most."""

from functools import cache
from typing import Any

import msgspec
import numpy as np
import pytest
from sklearn import metrics as sklearn

from seatrial.experiments.judge import judge
from seatrial.experiments.shadow.compare import compare_shadow
from seatrial.experiments.shadow.comparison import PairedMetric, ShadowComparison
from seatrial.experiments.shadow.table import ONE_LOOK, differing, lines
from tests import worlds
from tests.unit.experiments.test_shadow import DEPLOYMENT, NOW, REGRESSION, RUN, pairs

RELEASE = {
    "of": "challenger",
    "into": "everybody",
    "stages": [{"kind": "shadow"}],
    "primary": {"metric": "errors", "minimum_effect": {"absolute": 0.01}},
}
SPEC = {"outcome": "digit", "within": 60.0}
RATED = worlds.deployment(
    outcomes={"digit": {"label": True}, "other": {"label": True}},
    metrics={
        "right": {"kind": "accuracy", **SPEC},
        "caught": {"kind": "recall", **SPEC},
        "sure": {"kind": "precision", **SPEC},
        "both": {"kind": "f1", **SPEC},
        "loss": {"kind": "log_loss", **SPEC},
        "brier": {"kind": "brier", **SPEC},
        "area": {"kind": "auc", **SPEC},
        "elsewhere": {"kind": "recall", "outcome": "other", "within": 60.0},
    },
    release=RELEASE,
)


def ask(source: Any, deployment: Any = DEPLOYMENT) -> ShadowComparison:
    found = compare_shadow(deployment, RUN, source, NOW, in_detail=True)
    assert found is not None
    return found


@cache
def scored(n: int = 400) -> tuple[Any, dict[str, np.ndarray]]:
    """Two classifiers of which the challenger sees more of the truth."""
    rng = np.random.default_rng(4)
    truth = (rng.random(n) < 0.3).astype(int)
    scores = {
        "champion": 1 / (1 + np.exp(-(1.5 * (2 * truth - 1) + rng.normal(0, 2, n)))),
        "challenger": 1 / (1 + np.exp(-(2.5 * (2 * truth - 1) + rng.normal(0, 2, n)))),
    }
    said = {name: (score > 0.5).astype(int) for name, score in scores.items()}
    source = pairs(said["champion"], said["challenger"], truth)
    rows = source.sql("SELECT role, request_id FROM rows", {}).to_pylist()
    at = [int(row["request_id"].removeprefix("request-")) for row in rows]
    names = ["champion" if row["role"] == "answer" else "challenger" for row in rows]
    column = [float(scores[name][i]) for name, i in zip(names, at, strict=True)]
    source = type(source)(
        source.sql("SELECT * FROM rows", {}).append_column("prediction.score", [column]),
        source.sql("SELECT * FROM all_outcomes", {}),
    )
    return source, {"truth": truth} | scores | {f"{name}_said": one for name, one in said.items()}


@cache
def rated() -> ShadowComparison:
    """Asked once, for resamples take their time."""
    return ask(scored()[0], RATED)


def by_name(found: ShadowComparison) -> dict[str, PairedMetric]:
    return {one.name: one for one in found.metrics}


def test_metrics_on_the_same_pairs_are_scikit_learns() -> None:
    seen = scored()[1]
    found = by_name(rated())
    assert set(found) == {"macro F1", "caught", "sure", "both", "loss", "brier", "area"}
    truth = seen["truth"]
    for version in ("champion", "challenger"):
        said, score = seen[f"{version}_said"], seen[version]
        for name, expected in {
            "macro F1": sklearn.f1_score(truth, said, average="macro"),
            "caught": sklearn.recall_score(truth, said),
            "sure": sklearn.precision_score(truth, said),
            "both": sklearn.f1_score(truth, said),
            "loss": sklearn.log_loss(truth, score),
            "brier": sklearn.brier_score_loss(truth, score),
            "area": sklearn.roc_auc_score(truth, score),
        }.items():
            assert getattr(found[name], version) == pytest.approx(expected, rel=1e-9)
    for one in found.values():
        assert one.pairs == 400
        assert one.challenger is not None
        assert one.champion is not None
        assert one.difference.method.endswith("(fixed)")
        assert one.difference.effect == pytest.approx(one.challenger - one.champion)
        assert one.difference.lower is not None
        assert one.difference.upper is not None
        assert one.difference.lower < one.difference.effect < one.difference.upper
    assert "resamples of units with seed 1" in found["macro F1"].difference.note


def test_resampled_intervals_are_the_same_each_time() -> None:
    source, _ = scored(60)
    assert ask(source, RATED).metrics == ask(source, RATED).metrics


def test_a_version_that_did_not_answer_missed_its_positives() -> None:
    source = pairs([1, 0, 1, 1], [1, 0, None, 1], [1, 0, 1, 0], challenger_status=["ok", "ok", "error", "ok"])
    found = by_name(ask(source, RATED))["caught"]
    assert (found.champion, found.challenger) == (1, 0.5)


def test_errors_of_regressions_have_a_root_mean_square() -> None:
    rng = np.random.default_rng(5)
    truth = rng.normal(100, 10, 150)
    champion, challenger = truth + rng.normal(0, 3, 150), truth + rng.normal(0, 1, 150)
    found = by_name(ask(pairs(champion, challenger, truth, column="prediction.value"), REGRESSION))
    assert found["rmse"].champion == pytest.approx(sklearn.root_mean_squared_error(truth, champion))
    assert found["mae"].challenger == pytest.approx(sklearn.mean_absolute_error(truth, challenger))
    assert found["rmse"].difference.upper is not None
    assert found["rmse"].difference.upper < 0


def test_numbers_that_differ_most_come_first_with_request_and_label() -> None:
    source = pairs([1.0, 2.0, 3.0], [1.5, 9.0, 3.0], [1.0, 2.0, 3.0], column="prediction.value")
    found = ask(source, REGRESSION).differ_most
    assert [(one.request_id, one.row, one.champion, one.challenger, one.truth, one.gap) for one in found] == [
        ("request-1", 0, "2", "9", "2.0", 7.0),
        ("request-0", 0, "1", "1.5", "1.0", 0.5),
    ]


def test_classes_differ_most_where_their_scores_do_and_without_scores_where_answers_do() -> None:
    seen = scored()[1]
    gaps = np.abs(seen["challenger"] - seen["champion"])
    found = rated().differ_most
    assert [one.request_id for one in found] == [f"request-{i}" for i in np.argsort(-gaps)[:10]]
    assert found[0].gap == pytest.approx(gaps.max())
    plain = ask(pairs([1, 1, 2], [1, 2, None], challenger_status=["ok", "ok", "error"])).differ_most
    assert [(one.request_id, one.gap, one.truth) for one in plain] == [("request-1", 1.0, None)]


def test_what_is_kept_by_the_loop_holds_no_answers_and_no_resamples() -> None:
    source, _ = scored()
    kept = judge(RATED, RUN, source, NOW).shadow
    asked = judge(RATED, RUN, source, NOW, in_detail=True).shadow
    assert kept is not None
    assert asked is not None
    assert (kept.metrics, kept.differ_most) == ((), ())
    assert asked.differ_most
    assert msgspec.structs.replace(asked, metrics=(), differ_most=()) == kept
    assert msgspec.json.decode(msgspec.json.encode(asked), type=ShadowComparison) == asked


def test_lines_say_of_each_number_whether_it_holds_at_every_look() -> None:
    found = rated()
    holds = {line.what: line.holds for line in lines(found)}
    assert holds.pop("accuracy") == "every look"
    assert set(holds.values()) == {ONE_LOOK}
    assert {"McNemar, exact", "same answer", "Cohen's kappa", "macro F1", "caught (recall)"} <= set(holds)
    assert differing(found)[0][0] == found.differ_most[0].request_id


def test_lines_of_regressions_and_lists() -> None:
    found = ask(pairs([1.0, 2.0, 3.5], [2.0, 3.0, 4.0], [1.0, 2.0, 3.0], column="prediction.value"), REGRESSION)
    shown = {line.what: line for line in lines(found)}
    assert shown["mae"].champion == "0.1667"
    assert {"paired t of absolute errors, MAE", "lower limit of agreement, 95%"} <= set(shown)
    assert {line.holds for line in shown.values()} == {ONE_LOOK}
