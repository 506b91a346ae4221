"""Model metrics against scikit-learn and statsmodels, their intervals against formulas and simulation."""

import math

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics
from statsmodels.stats.inter_rater import cohens_kappa
from statsmodels.stats.proportion import proportion_confint

from seatrial.spec.errors import BadInput
from seatrial.stats.effect import Effect
from seatrial.stats.moments import Moments
from seatrial.stats.paired import agreement, bland_altman, most_different, paired_bootstrap
from seatrial.stats.paired.kappa import kappa_interval
from seatrial.stats.primary import judge_primary
from seatrial.stats.quality import (
    Rows,
    absolute_error,
    accuracy,
    auc,
    auc_effect,
    brier,
    by_unit,
    calibration_error,
    f1,
    f1_score,
    log_loss,
    mean_score,
    paired_auc,
    precision,
    recall,
    rmse_interval,
    share_score,
    squared_error,
)
from seatrial.stats.verdict import Question

RNG = np.random.default_rng(1)
N = 500
LABELS = (RNG.random(N) < 0.3).astype(int)
SCORES = np.clip(0.2 + 0.3 * LABELS + RNG.normal(0, 0.2, N), 0.01, 0.99)
ANSWERS = (SCORES > 0.4).astype(int)
ROUNDED = np.round(SCORES, 1)


def test_values_are_scikit_learns() -> None:
    for rows, theirs in (
        (accuracy(LABELS, ANSWERS), metrics.accuracy_score(LABELS, ANSWERS)),
        (precision(LABELS, ANSWERS, 1), metrics.precision_score(LABELS, ANSWERS)),
        (recall(LABELS, ANSWERS, 1), metrics.recall_score(LABELS, ANSWERS)),
        (f1(LABELS, ANSWERS, 1), metrics.f1_score(LABELS, ANSWERS)),
        (log_loss(LABELS, SCORES), metrics.log_loss(LABELS, SCORES)),
        (brier(LABELS, SCORES), metrics.brier_score_loss(LABELS, SCORES)),
        (absolute_error(LABELS, SCORES), metrics.mean_absolute_error(LABELS, SCORES)),
        (squared_error(LABELS, SCORES), metrics.mean_squared_error(LABELS, SCORES)),
    ):
        assert mean_score(by_unit(rows)).value == pytest.approx(theirs, rel=1e-9)
    assert rmse_interval(by_unit(squared_error(LABELS, SCORES))).value == pytest.approx(
        metrics.root_mean_squared_error(LABELS, SCORES), rel=1e-9
    )
    assert f1_score(by_unit(f1(LABELS, ANSWERS, 1))).value == pytest.approx(metrics.f1_score(LABELS, ANSWERS), rel=1e-9)


def test_several_classes() -> None:
    labels = RNG.integers(0, 3, 200)
    chances = RNG.dirichlet([1, 1, 1], 200)
    assert mean_score(by_unit(log_loss(labels, chances))).value == pytest.approx(
        metrics.log_loss(labels, chances), rel=1e-9
    )
    assert mean_score(by_unit(brier(labels, chances))).value == pytest.approx(
        float(((chances - np.eye(3)[labels]) ** 2).sum(axis=1).mean()), rel=1e-12
    )
    names = np.array(["a", "b", "c"])
    found = share_score(by_unit(precision(names[labels], names[chances.argmax(1)], "b")))
    assert found.value == pytest.approx(metrics.precision_score(labels, chances.argmax(1), labels=[1], average=None)[0])


def test_a_share_of_one_row_a_unit_has_wilsons_interval() -> None:
    right = int((LABELS == ANSWERS).sum())
    theirs = proportion_confint(right, N, method="wilson")
    # The delta method's variance has n - 1 below: never more rows than there are.
    assert share_score(by_unit(accuracy(LABELS, ANSWERS))).interval == pytest.approx(theirs, abs=2e-4)


def test_rows_of_one_unit_that_are_all_alike_count_once() -> None:
    few = accuracy(LABELS[:100], ANSWERS[:100])
    many = Rows(np.repeat(few.numerator, 7), np.repeat(few.denominator, 7))
    once, again = share_score(by_unit(few)), share_score(by_unit(many, np.repeat(np.arange(100), 7)))
    assert again.value == pytest.approx(once.value)
    assert again.interval == pytest.approx(once.interval, rel=1e-9)
    perfect = share_score(by_unit(Rows(np.ones(70), np.ones(70)), np.repeat(np.arange(10), 7)))
    assert perfect.interval == pytest.approx(proportion_confint(10, 10, method="wilson"), abs=1e-12)


def test_a_sample_drawn_with_known_chances_is_unbiased() -> None:
    rng = np.random.default_rng(3)
    chance = np.where(ANSWERS == 1, 0.8, 0.2)
    values = []
    for _ in range(400):
        drawn = rng.random(N) < chance
        rows = accuracy(LABELS[drawn], ANSWERS[drawn]).weighted(chance[drawn])
        values.append(mean_score(by_unit(rows)).value)
    assert np.mean(values) == pytest.approx((LABELS == ANSWERS).mean(), abs=4 * np.std(values) / 20)
    with pytest.raises(BadInput, match="chances of being drawn"):
        accuracy(LABELS, ANSWERS).weighted([0.0] * N)


def slow_delong(labels: np.ndarray, first: np.ndarray, second: np.ndarray) -> tuple[float, float, np.ndarray]:
    """DeLong's paper, pair by pair: both areas and their covariance matrix."""
    parts = []
    for scores in (first, second):
        up, down = scores[labels == 1], scores[labels == 0]
        kernel = (up[:, None] > down) + 0.5 * (up[:, None] == down)
        parts.append((kernel.mean(), kernel.mean(axis=1), kernel.mean(axis=0)))
    (a, up_a, down_a), (b, up_b, down_b) = parts
    covariance = np.cov(up_a, up_b) / len(up_a) + np.cov(down_a, down_b) / len(down_a)
    return a, b, covariance


def test_delong_is_the_papers() -> None:
    other = np.clip(0.25 + 0.2 * LABELS + np.random.default_rng(4).normal(0, 0.2, N), 0.01, 0.99)
    for first in (SCORES, ROUNDED):
        a, b, covariance = slow_delong(LABELS, first, other)
        one = auc(LABELS, first)
        assert one.value == pytest.approx(metrics.roc_auc_score(LABELS, first), rel=1e-9)
        assert one.value == pytest.approx(a, rel=1e-9)
        assert one.se == pytest.approx(math.sqrt(covariance[0, 0]), rel=1e-9)
        both = paired_auc(LABELS, first, other)
        variance = covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1]
        assert both.effect == pytest.approx(a - b, rel=1e-9)
        assert both.statistic == pytest.approx((a - b) / math.sqrt(variance), rel=1e-9)


def test_paired_areas_of_few_positives_have_no_interval() -> None:
    rng = np.random.default_rng(14)
    for positives in (9, 10):
        labels = np.r_[np.ones(positives), np.zeros(200)]
        level = rng.normal(0, 1, labels.size) + labels
        found = paired_auc(labels, level + rng.normal(0, 1, labels.size), level + rng.normal(0, 1, labels.size))
        assert found.effect is not None
        assert (found.p_value is None) == (found.lower is None) == (positives < 10)
        assert found.note.startswith("9 of 10 labels") == (positives < 10)


def test_areas_of_two_variants_are_an_effect() -> None:
    half = N // 2
    one, other = auc(LABELS[:half], SCORES[:half]), auc(LABELS[half:], ROUNDED[half:])
    effect = auc_effect(one, other)
    assert effect.effect == pytest.approx((one.value or 0) - (other.value or 0))
    assert effect.se_unpooled == pytest.approx(math.hypot(one.se or 0, other.se or 0))
    with pytest.raises(BadInput, match="two rows of either kind"):
        auc_effect(auc([1], [0.5]), other)
    assert auc([1, 1], [0.3, 0.4]).value is None
    perfect = auc([0] * 20 + [1] * 20, list(range(40)))
    assert perfect.interval is not None
    assert perfect.interval.lower < 0.95 < perfect.interval.upper == 1.0


def test_an_areas_pooled_error_takes_each_kind_s_spread_from_both_arms() -> None:
    third = N // 3
    parts = [(LABELS[part], SCORES[part]) for part in (slice(0, third), slice(third, N))]
    effect = auc_effect(*(auc(*part) for part in parts))
    ups, downs = [], []
    for labels, scores in parts:
        above, below = scores[labels == 1][:, None], scores[labels == 0]
        kernel = (above > below) + 0.5 * (above == below)
        ups.append(kernel.mean(axis=1))
        downs.append(kernel.mean(axis=0))

    def pooled(arms: list[np.ndarray]) -> float:
        squares = sum(float(((arm - arm.mean()) ** 2).sum()) for arm in arms)
        return squares / (sum(arm.size for arm in arms) - 2)

    for up, down, found in zip(
        ups, downs, (effect.treatment_variance_pooled, effect.control_variance_pooled), strict=True
    ):
        assert found == pytest.approx(pooled(ups) / up.size + pooled(downs) / down.size, rel=1e-9)
    assert effect.events is not None
    assert effect.events.fewest == min(up.size for up in ups)
    own = [(one.var(ddof=1) / one.size, one.size - 1) for one in (*ups, *downs)]
    assert effect.degrees == pytest.approx(sum(v for v, _ in own) ** 2 / sum(v * v / n for v, n in own), rel=1e-9)


def test_an_areas_events_are_units_not_rows() -> None:
    """Thirty positive rows of three units are three events; each row twice changes nothing of what is pooled."""
    labels, scores = [1] * 30 + [0] * 200, np.random.default_rng(10).random(230)
    heavy = auc(labels, scores, [row % 3 if row < 30 else row for row in range(230)])
    assert heavy.positive.units == pytest.approx(3)
    assert heavy.negative.units == pytest.approx(200)
    once = [auc(LABELS[part], SCORES[part]) for part in (slice(0, 200), slice(200, N))]
    twice = [
        auc(np.repeat(LABELS[part], 2), np.repeat(SCORES[part], 2), np.repeat(np.arange(N)[part], 2))
        for part in (slice(0, 200), slice(200, N))
    ]
    one, two = auc_effect(*once), auc_effect(*twice)
    assert two.treatment_variance_pooled == pytest.approx(one.treatment_variance_pooled, rel=1e-9)
    assert two.degrees == pytest.approx(one.degrees or 0, rel=1e-9)
    assert two.events == one.events


def test_positives_all_ranked_first_are_no_claim() -> None:
    rng = np.random.default_rng(11)
    labels = (rng.random(3000) < 0.1).astype(int)
    control = auc(labels, rng.normal(0, 1, 3000) + 2.3 * labels)
    for positives, word in ((3, "no-data"), (12, "inconclusive")):
        treatment = auc([0] * 140 + [1] * positives, list(range(140 + positives)))
        assert treatment.value == 1
        assert treatment.se == 0
        verdict = judge_primary(auc_effect(treatment, control), Question(metric="auc"), method="fixed")
        assert verdict.word == word
    assert (
        "3 of 10 events"
        in judge_primary(
            auc_effect(auc([0] * 140 + [1] * 3, list(range(143))), control), Question(metric="auc"), method="fixed"
        ).reason
    )


@pytest.mark.parametrize(
    ("units", "positives", "apart", "speaks"),
    [
        ((200, 3800), 0.02, 1.2, False),
        ((500, 500), 0.01, 1.2, False),
        ((200, 3800), 0.06, 2.3, True),
        ((600, 3400), 0.02, 2.3, True),
        ((1000, 1000), 0.1, 1.2, True),
    ],
)
def test_identical_models_areas_are_alike(units: tuple[int, int], positives: float, apart: float, speaks: bool) -> None:
    """At a share of positives that leaves few in an arm, nothing is said, or no more than alpha is claimed. (With each
    arm's own error alone 16 % of the third cell's worlds were claims, and 12 % of the fourth's.)"""
    rng, worlds, spoke, claims = np.random.default_rng(12), 300, 0, 0
    for _ in range(worlds):
        arms = []
        for n in units:
            kind = rng.random(n) < positives
            arms.append(auc(kind, rng.normal(0, 1, n) + apart * kind))
        if any(arm.se is None for arm in arms):
            continue
        word = judge_primary(auc_effect(*arms), Question(metric="auc"), method="fixed").word
        spoke += word != "no-data"
        claims += word in ("better", "worse")
    assert (spoke > worlds / 2) == speaks
    assert claims <= 0.05 * worlds + 2 * math.sqrt(0.05 * 0.95 * worlds)
    if speaks:
        assert claims <= 0.05 * spoke + 2 * math.sqrt(0.05 * 0.95 * spoke)


@pytest.mark.parametrize("rows", [1, 5])
def test_the_areas_interval_covers_with_rows_alike(rows: int) -> None:
    rng = np.random.default_rng(5)
    worlds, units, covered = 300, 150, 0
    truth = stats.norm.cdf(1 / math.sqrt(2 * 2))
    for _ in range(worlds):
        kind = rng.random(units) < 0.4
        level = rng.normal(0, 1, units) + kind
        unit = np.repeat(np.arange(units), rows)
        interval = auc(kind[unit], level[unit] + rng.normal(0, 1, unit.size), unit).interval
        covered += interval is not None and interval.contains(truth)
    assert covered / worlds >= 0.95 - 4 * math.sqrt(0.95 * 0.05 / worlds)


def test_calibration_error_is_its_definition() -> None:
    found = calibration_error(LABELS, SCORES, seed=1, bins=5)
    number = np.searchsorted(np.quantile(SCORES, [0.2, 0.4, 0.6, 0.8]), SCORES)
    by_hand = sum(abs(LABELS[number == b].mean() - SCORES[number == b].mean()) * (number == b).mean() for b in range(5))
    assert found.plain == pytest.approx(by_hand, rel=1e-9)
    assert sum(found.rows) == N
    assert found.interval.lower <= found.value <= found.interval.upper


@pytest.mark.parametrize(("off", "where"), [(0.0, 1.0), (0.03, 1.0), (0.15, 1.0), (0.3, 0.3)])
def test_the_calibration_errors_interval_covers_wherever_the_error_sits(off: float, where: float) -> None:
    """Probabilities too high by ``off`` in the lowest share ``where`` of rows."""
    rng = np.random.default_rng(6)
    plain, value, covered, worlds = [], [], 0, 80
    for world in range(worlds):
        p = rng.uniform(0.4, 0.8, 400)
        low = p < 0.4 + 0.4 * where
        found = calibration_error(rng.random(400) < p - off * low, p, seed=world, draws=999)
        plain.append(found.plain)
        value.append(found.value)
        covered += found.interval.contains(off * where)
    assert covered / worlds >= 0.95 - 4 * math.sqrt(0.05 * 0.95 / worlds)
    if off < 0.1:
        assert abs(np.mean(value) - off) < abs(np.mean(plain) - off)


def pairs_of(counts: np.ndarray) -> dict[tuple[int, int], int]:
    return {(int(a), int(b)): int(counts[a, b]) for a, b in zip(*np.nonzero(counts), strict=True)}


def test_kappas_interval_is_fleiss_cohen_and_everitts_in_large_samples() -> None:
    table = np.array([[20, 5, 1], [3, 30, 2], [0, 4, 35]])
    for times, within in ((1, 0.05), (10_000, 0.0005)):
        found, theirs = agreement(pairs_of(table * times)), cohens_kappa(table * times)
        assert found.kappa_interval is not None
        width = theirs.kappa_upp - theirs.kappa_low
        assert found.kappa_interval == pytest.approx((theirs.kappa_low, theirs.kappa_upp), abs=within * 4 * width)
    assert agreement({("a", "a"): 5}).kappa_interval is None


@pytest.mark.parametrize(("pairs", "differ"), [(8, 0), (20, 0), (20, 2), (1000, 100)])
def test_kappas_interval_is_wilsons_of_agreement_where_both_labels_are_as_frequent(pairs: int, differ: int) -> None:
    """With margins of a half kappa is twice the share that is the same, less 1."""
    same, each = (pairs - differ) // 2, differ // 2
    found = kappa_interval(pairs_of(np.array([[same, each], [each, same]])))
    lower, upper = proportion_confint(pairs - differ, pairs, method="wilson")
    assert found == pytest.approx((2 * lower - 1, 2 * upper - 1), abs=1e-9)


@pytest.mark.parametrize(
    ("table", "kappa"),
    [
        ({("a", "a"): 2, ("b", "b"): 1}, 1.0),
        ({("a", "b"): 3}, 0.0),
        ({("a", "b"): 2, ("b", "a"): 2}, -1.0),
        ({("a", "b"): 1}, 0.0),
    ],
)
def test_a_few_pairs_are_never_sure_of_their_kappa(table: dict[tuple[str, str], int], kappa: float) -> None:
    found = agreement(table)
    assert found.kappa == pytest.approx(kappa)
    assert found.kappa_interval is not None
    assert -1 <= found.kappa_interval.lower <= kappa <= found.kappa_interval.upper <= 1
    assert found.kappa_interval.upper - found.kappa_interval.lower > 0.8


def by_class(kappa: float, margins: tuple[float, ...]) -> np.ndarray:
    """The chances of each pair of answers, equal margins and this kappa."""
    return kappa * np.diag(margins) + (1 - kappa) * np.outer(margins, margins)


@pytest.mark.parametrize(
    ("pairs", "kappa", "margins", "least"),
    [
        (20, 0.9, (0.5, 0.5), 0.9),
        (50, 0.96, (0.5, 0.5), 0.9),
        (100, 0.98, (0.5, 0.5), 0.9),
        (500, 0.3, (0.5, 0.5), 0.94),
        (500, 0.6, (0.5, 0.5), 0.94),
        (100, 0.98, (0.95, 0.05), 0.9),
        (200, 0.6, (0.95, 0.05), 0.94),
        (500, 0.0, (0.95, 0.05), 0.94),
        (100, 0.9, (0.6, 0.25, 0.1, 0.05), 0.94),
    ],
)
def test_kappas_interval_covers(pairs: int, kappa: float, margins: tuple[float, ...], least: float) -> None:
    """Where a table has one or two answers that differ, coverage moves by whole tables, as Wilson's does (92 % of 20
    pairs that are the same in 95 %); the error of the observed table alone covered 16 to 63 % in those cells."""
    drawn = np.random.default_rng(13).multinomial(pairs, by_class(kappa, margins).ravel(), 600)
    tables, times = np.unique(drawn, axis=0, return_counts=True)
    found = [kappa_interval(pairs_of(table.reshape(len(margins), -1))) for table in tables]
    known = [(one, n) for one, n in zip(found, times, strict=True) if one is not None]
    worlds = sum(n for _, n in known)
    covered = sum(n for one, n in known if one.contains(kappa))
    assert covered / worlds >= least - 2 * math.sqrt(least * (1 - least) / worlds)


def test_bland_and_altmans_limits() -> None:
    rng = np.random.default_rng(7)
    differences = rng.normal(0.5, 2, 25)
    found = bland_altman(Moments.from_values(differences))
    mean, sd = differences.mean(), differences.std(ddof=1)
    assert found[:3] == pytest.approx((mean, mean - 1.959964 * sd, mean + 1.959964 * sd), rel=1e-6)
    covered = 0
    for _ in range(2000):
        limits = bland_altman(Moments.from_values(rng.normal(0.5, 2, 12)))
        covered += limits.upper_interval.contains(0.5 + 1.959964 * 2)
    assert covered / 2000 == pytest.approx(0.95, abs=4 * math.sqrt(0.95 * 0.05 / 2000))
    with pytest.raises(BadInput, match="1 pairs"):
        bland_altman(Moments.from_values([1.0]))


def test_the_paired_bootstrap_of_a_mean_is_the_paired_ts_interval() -> None:
    rng = np.random.default_rng(8)
    a, b = rng.normal(1, 1, 200), rng.normal(0.8, 1, 200)
    found = paired_bootstrap(np.arange(200), lambda i: float((a[i] - b[i]).mean()), seed=1, resamples=1999)
    theirs = stats.ttest_rel(a, b).confidence_interval()
    assert found.effect == pytest.approx((a - b).mean())
    assert (found.lower, found.upper) == pytest.approx((theirs.low, theirs.high), abs=0.03)


def test_the_paired_bootstrap_resamples_units() -> None:
    rng = np.random.default_rng(9)
    level = np.repeat(rng.normal(0, 1, 80), 10)
    alone = paired_bootstrap(np.arange(800), lambda i: float(level[i].mean()), seed=1, resamples=500)
    by_unit_ = paired_bootstrap(np.repeat(np.arange(80), 10), lambda i: float(level[i].mean()), seed=1, resamples=500)
    assert by_unit_.lower is not None
    assert by_unit_.upper is not None
    assert alone.upper is not None
    assert alone.lower is not None
    assert by_unit_.upper - by_unit_.lower == pytest.approx(math.sqrt(10) * (alone.upper - alone.lower), rel=0.15)
    nothing = paired_bootstrap([1, 2], lambda _: math.nan, seed=1, resamples=10)
    assert nothing.lower is None
    assert "0 of 10" in nothing.note


def test_rows_that_differ_most() -> None:
    assert most_different([1.0, 5.0, 3.0, 2.0], [1.0, 1.0, 4.0, 6.0], 2).tolist() == [1, 3]
    assert most_different([1.0], [1.0], 5).tolist() == []


def test_variants_are_compared_as_ratios() -> None:
    half = N // 2
    arms = [by_unit(f1(LABELS[part], ANSWERS[part], 1)) for part in (slice(0, half), slice(half, N))]
    effect = Effect.of_ratios(*arms)
    assert effect.effect == pytest.approx(
        metrics.f1_score(LABELS[:half], ANSWERS[:half]) - metrics.f1_score(LABELS[half:], ANSWERS[half:]), rel=1e-9
    )


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: accuracy([1], [1, 0]), "are not pairs"),
        (lambda: absolute_error([1.0], [1.0, 2.0]), "are not pairs"),
        (lambda: brier([2], [0.5]), "labels must be 0 to 1"),
        (lambda: log_loss([1], [1.5]), "probabilities 0 to 1"),
        (lambda: log_loss([1, 0], [[0.5, 0.5]]), "not a row each"),
        (lambda: by_unit(accuracy([1], [1]), ["a", "b"]), "not one a row"),
        (lambda: auc([1, 0], [0.5]), "not pairs"),
        (lambda: auc([1, 0], [0.5, 0.2], ["a"]), "not one a row"),
        (lambda: calibration_error([], [], seed=1), "one at least"),
        (lambda: calibration_error([1], [0.5], seed=1, bins=0), "bins"),
        (lambda: paired_bootstrap(["a"], lambda _: 0.0, seed=1), "1 units cannot"),
    ],
)
def test_what_cannot_be_measured_is_refused(call: object, message: str) -> None:
    assert callable(call)
    with pytest.raises(BadInput, match=message):
        call()


def test_nothing_below_the_line_is_no_value() -> None:
    none = by_unit(precision([1, 0], [0, 0], 1))
    assert share_score(none).value is None
    assert mean_score(none).value is None
    assert f1_score(by_unit(f1([0, 0], [0, 0], 1))).value is None
