"""Pairs of answers to the same request: agreement, who is right, and what counts as one observation."""

from datetime import timedelta
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pytest

from seatrial.experiments.judge import judge
from seatrial.experiments.shadow.compare import compare_shadow, label_of
from seatrial.experiments.shadow.comparison import ShadowComparison
from seatrial.experiments.shadow.pairs import Label
from seatrial.experiments.source import TableSource
from tests import worlds

SECOND = worlds.SECOND
RUN = msgspec.structs.replace(worlds.release((0.5, 0)), phases=(), stage="shadow")
ASSIGNED = worlds.release((0.5, 0))
NOW = worlds.START + 10_000 * SECOND
DEPLOYMENT = worlds.deployment(
    outcomes={"digit": {"label": True}},
    metrics={"accuracy": {"kind": "accuracy", "outcome": "digit", "within": 60.0}},
    release={
        "of": "challenger",
        "into": "everybody",
        "stages": [{"kind": "shadow"}],
        "primary": {"metric": "accuracy", "minimum_effect": {"absolute": 0.01}},
    },
)


def pairs(
    champion: Any, challenger: Any, truth: Any = None, *, column: str = "prediction.label", **given: Any
) -> TableSource:
    """One request a row: answered by the champion, shadowed by the challenger; each its own unit and input."""
    n = len(champion)
    at = worlds.START + np.arange(n) * SECOND
    variant = np.full(n, "champion", dtype=object)
    shared = {
        "feature.x": np.arange(n, dtype=float),
        "unit_named": np.ones(n, dtype=bool),
        "sampled": [True] * n,
    } | given
    units = shared.pop("unit", worlds.unit_names(n))
    answered = shared.pop("champion_status", ["ok"] * n)
    shadowed = shared.pop("challenger_status", ["ok"] * n)
    answers = worlds.rows(ASSIGNED, units, at, variant=variant, status=answered, **shared, **{column: champion})
    shadows = worlds.rows(
        ASSIGNED, units, at, variant=np.full(n, "challenger", dtype=object), role=["shadow"] * n, status=shadowed,
        **shared, **{column: challenger},
    )  # fmt: skip
    if truth is None:
        return worlds.source([answers, shadows])
    known = [i for i in range(n) if truth[i] is not None]
    labels = worlds.outcomes(
        "digit", at[known] + 1, request_id=[answers["request_id"][i] for i in known],
        value_number=[float(truth[i]) for i in known],
    )  # fmt: skip
    return worlds.source([answers, shadows], [labels])


def compare(source: TableSource, **given: Any) -> ShadowComparison:
    found = compare_shadow(given.pop("deployment", DEPLOYMENT), RUN, source, NOW, **given)
    assert found is not None
    return found


def test_agreement_and_accuracies_by_hand() -> None:
    found = compare(pairs([1, 1, 2, 2], [1, 2, 2, 1], [1, 2, 2, 2]))
    assert (found.pairs, found.inputs, found.labelled) == (4, 4, 4)
    assert found.agreement == pytest.approx(0.5)
    assert (found.champion_accuracy, found.challenger_accuracy) == (0.75, 0.75)
    assert (found.only_champion_right, found.only_challenger_right) == (1, 1)
    assert [test.method for test in found.fixed] == ["McNemar, exact (fixed)", "McNemar, mid-p (fixed)"]


def test_a_better_challenger_is_found_and_said_on_how_many_inputs() -> None:
    n = 300
    truth = np.ones(n, dtype=int)
    champion, challenger = truth.copy(), truth.copy()
    champion[:40] = 0
    challenger[:5] = 0
    found = compare(pairs(champion, challenger, truth), inputs="images")
    assert found.verdict is not None
    assert found.verdict.word == "better"
    assert found.sentence.startswith("On 300 images, the challenger digits:2 is right on 98.33% and")
    assert "of the 35 that only one got right, 35 are the challenger's: the challenger is better" in found.sentence


def test_the_same_input_drawn_again_is_the_same_observation() -> None:
    repeats = {"feature.x": np.tile(np.arange(5.0), 200)}
    found = compare(pairs([0] * 1000, [1] * 1000, [1] * 1000, **repeats))
    assert (found.pairs, found.inputs, found.labelled) == (1000, 5, 5)
    assert found.verdict is not None
    assert found.verdict.word == "no-data"


def test_the_same_unit_asking_again_is_the_same_observation() -> None:
    found = compare(pairs([0] * 1000, [1] * 1000, [1] * 1000, unit=[f"u{i % 7}" for i in range(1000)]))
    assert (found.pairs, found.inputs, found.labelled) == (1000, 7, 7)


def test_without_logged_features_units_stand_for_inputs() -> None:
    given: dict[str, Any] = {"sampled": [False] * 6, "feature.x": [None] * 6, "unit": list("aabbcc")}
    assert compare(pairs([1] * 6, [1] * 6, **given)).inputs == 3


def test_labels_count_in_the_order_of_their_arrival() -> None:
    early = pairs([1, 0], [0, 1], [1, 1], **{"feature.x": [5.0, 5.0]})
    assert compare(early).only_champion_right == 1


def test_a_challenger_that_failed_was_not_right() -> None:
    found = compare(pairs([1, 1], [1, None], [1, 1], challenger_status=["ok", "error"]))
    assert (found.failures, found.challenger_accuracy, found.only_champion_right) == (1, 0.5, 1)
    assert "failed on 1 of 2 requests" in found.sentence


def test_a_champion_that_failed_was_not_right_whoever_answered_instead() -> None:
    found = compare(pairs([1, 1], [1, 1], [1, 1], champion_status=["ok", "timeout"]))
    assert (found.champion_accuracy, found.only_challenger_right) == (0.5, 1)


def test_without_labels_only_agreement_is_known() -> None:
    found = compare(pairs([1, 1, 2], [1, 1, 1]))
    assert (found.labelled, found.agreement) == (0, pytest.approx(2 / 3))
    assert found.fixed == ()
    assert found.sentence == "No label has arrived yet for 3 inputs; both answer the same on 66.67% of 3 inputs."


def test_a_label_that_is_corrected_counts_as_it_came_at_every_look_and_as_it_stands_for_one() -> None:
    source = pairs([1, 1, 1], [2, 2, 2], [1, 1, 1])
    wrong = source.sql("SELECT * FROM all_outcomes", {})
    later = wrong.slice(0, 1).to_pylist()[0]
    moment = later["received_at"] + timedelta(seconds=100)
    corrected = [later | {"value_number": 2.0, "received_at": moment}]
    both = pa.concat_tables([wrong, pa.Table.from_pylist(corrected, wrong.schema)])
    found = compare(TableSource(source.sql("SELECT * FROM rows", {}), both))
    assert (found.only_champion_right, found.only_challenger_right) == (3, 0)
    assert found.fixed[0].effect == pytest.approx(-1 / 3), "two for the champion and one for the challenger now"


def test_agreement_and_kappa_have_intervals() -> None:
    found = compare(pairs([1, 1, 2, 2] * 10, [1, 2, 2, 2] * 10))
    assert found.agreement_ends is not None
    assert found.agreement_ends.lower < 0.75 < found.agreement_ends.upper
    assert found.kappa_ends is not None
    assert found.kappa is not None
    assert found.kappa_ends.lower < found.kappa < found.kappa_ends.upper


def test_requests_that_one_of_them_never_saw_are_no_pairs() -> None:
    answers = worlds.rows(ASSIGNED, ["a"], [worlds.START], variant=["champion"], **{"prediction.label": [1]})
    assert compare_shadow(DEPLOYMENT, RUN, worlds.source([answers]), NOW) is None


def test_rows_of_other_versions_are_no_pairs() -> None:
    source = pairs([1], [1], [1], assigned_version=["digits:9"])
    assert compare_shadow(DEPLOYMENT, RUN, source, NOW) is None


def test_a_release_without_a_shadow_is_not_asked() -> None:
    release = DEPLOYMENT.release
    assert release is not None
    stages = worlds.deployment(
        release={"of": "challenger", "into": "everybody", "stages": [{"kind": "test"}],
                 "primary": {"metric": "errors", "minimum_effect": {"absolute": 0.01}}}
    )  # fmt: skip
    assert compare_shadow(stages, ASSIGNED, pairs([1], [1]), NOW) is None


def test_labels_that_have_not_arrived_by_now_are_not_seen() -> None:
    source = pairs([1, 1], [1, 1], [1, 1])
    found = compare_shadow(DEPLOYMENT, RUN, source, worlds.START + SECOND)
    assert found is not None
    assert (found.pairs, found.labelled) == (2, 1)


REGRESSION = worlds.deployment(
    task="regression",
    outcomes={"digit": {"label": True}},
    release={
        "of": "challenger",
        "into": "everybody",
        "stages": [{"kind": "shadow"}],
        "primary": {"metric": "errors", "minimum_effect": {"absolute": 0.01}},
    },
)


def test_regression_compares_absolute_errors_in_pairs() -> None:
    rng = np.random.default_rng(5)
    truth = rng.normal(100, 10, 200)
    champion, challenger = truth + rng.normal(0, 3, 200), truth + rng.normal(0, 1, 200)
    found = compare(pairs(champion, challenger, truth, column="prediction.value"), deployment=REGRESSION)
    difference = np.abs(challenger - truth) - np.abs(champion - truth)
    assert found.verdict is None
    assert found.labelled == 200
    assert found.fixed[0].effect == pytest.approx(difference.mean())
    assert found.fixed[1].effect == pytest.approx((challenger - champion).mean())
    assert "are smaller" in found.sentence
    assert "one look" in found.sentence
    assert all(test.method.endswith("(fixed)") for test in found.fixed)
    limits = found.limits
    assert limits is not None
    apart = challenger - champion
    assert (limits.pairs, limits.bias) == (200, pytest.approx(apart.mean()))
    assert limits.upper == pytest.approx(apart.mean() + 1.959964 * apart.std(ddof=1), rel=1e-6)
    assert limits.lower_ends.lower < limits.lower < limits.lower_ends.upper
    assert f"19 of 20 by {limits.lower:+.3g} to {limits.upper:+.3g}" in found.sentence


def test_regression_without_labels_compares_the_answers() -> None:
    source = pairs([1.0, 2.0, 3.0], [2.0, 3.0, 4.5], column="prediction.value")
    found = compare(source, deployment=REGRESSION)
    assert "differ by +1.17 on average" in found.sentence
    assert found.labelled == 0
    same = compare(pairs([1.0, 2.0], [1.0, 2.0], column="prediction.value"), deployment=REGRESSION)
    assert same.limits is not None
    assert (same.limits.lower, same.limits.upper_ends.upper) == (0, 0)
    assert "differ by +0 on average" in same.sentence


def test_a_judgement_in_shadow_says_what_it_waits_for_and_the_shadow_the_rest() -> None:
    found = judge(DEPLOYMENT, RUN, pairs([1, 1, 2], [1, 1, 2], [1, 1, 2]), NOW)
    assert found.shadow is not None
    assert found.sentence == "Wait: shadow; 3 of 100 pairs."
    assert found.shadow.sentence.startswith("On 3 inputs, ")
    assert msgspec.json.decode(msgspec.json.encode(found), type=type(found)) == found


def test_the_truth_is_the_accuracy_s_outcome_or_the_only_label() -> None:
    assert label_of(DEPLOYMENT) == Label("digit", None)
    assert label_of(REGRESSION) == Label("digit", None)
    assert label_of(worlds.deployment(outcomes={"a": {"label": True}, "b": {"label": True}})) is None
    assert label_of(worlds.deployment()) is None


def test_what_was_counted_once_is_counted_at_every_later_look() -> None:
    """In the order of labels: units return, inputs repeat, labels arrive out of order; a look takes nothing back."""
    rng = np.random.default_rng(8)
    n = 120
    given: dict[str, Any] = {"unit": [f"u{i}" for i in rng.integers(0, 60, n)],
                             "feature.x": rng.integers(0, 60, n).astype(float)}  # fmt: skip
    source = pairs(*rng.integers(0, 2, (2, n)).tolist(), rng.integers(0, 2, n), **given)
    labels = source.sql("SELECT * FROM all_outcomes", {}).to_pydict()
    arrival = worlds.START + rng.permutation(n) * SECOND + 200 * SECOND
    source = worlds.source(
        [source.sql('SELECT * REPLACE (epoch_us("at") AS "at") FROM rows', {}).to_pydict()],
        [worlds.outcomes("digit", arrival, request_id=labels["request_id"], value_number=labels["value_number"])],
    )
    before = (0, 0, 0)
    for look in range(0, 400, 20):
        found = compare_shadow(DEPLOYMENT, RUN, source, worlds.START + look * SECOND)
        assert found is not None
        counts = (found.only_champion_right, found.only_challenger_right, found.labelled)
        assert all(now >= then for now, then in zip(counts, before, strict=True))
        assert counts[2] <= 60, "a unit and an input count once"
        before = counts
    assert before[0] > 3
    assert before[1] > 3


def test_a_pair_whose_label_was_there_before_it_takes_no_other_s_place() -> None:
    """One person's label came first, a second one's input was counted, and then the first asks with that input."""
    source = pairs([1, 1], [0, 1], **{"unit": ["v", "u"], "feature.x": [0.0, 0.0]})
    source = worlds.source(
        [source.sql('SELECT * REPLACE (epoch_us("at") AS "at") FROM rows', {}).to_pydict()],
        [worlds.outcomes("digit", [worlds.START, worlds.START + SECOND // 2], unit=["u", "v"], value_number=[1.0] * 2)],
    )
    for moment in (worlds.START + SECOND * 3 // 4, worlds.START + 10 * SECOND):
        found = compare_shadow(DEPLOYMENT, RUN, source, moment)
        assert found is not None
        assert (found.labelled, found.only_champion_right) == (1, 1), "v's pair"


def test_a_challenger_whose_answers_are_of_another_type_agrees_where_it_says_the_same() -> None:
    source = pairs(["1", "0", "2", "3"], ["1.0", "false", "2.0", "4.0"])
    found = compare(source, in_detail=True)
    assert found.agreement == 0.75
    assert [(pair.champion, pair.challenger) for pair in found.differ_most] == [("3", "4.0")]
