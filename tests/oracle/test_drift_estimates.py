"""Calibrators and estimates against scikit-learn, statsmodels and their definitions."""

import msgspec
import numpy as np
import pytest
from scipy.optimize import minimize

from seatrial.drift.estimates import Isotonic, LossTree, Platt, calibrate, estimate_accuracy, estimate_loss
from seatrial.drift.proportions import wilson
from seatrial.spec.errors import BadInput


def world(seed: int, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Scores that are too sure of themselves."""
    rng = np.random.default_rng(seed)
    truth = 1 / (1 + np.exp(-rng.normal(0, 1.5, n)))
    scores = 1 / (1 + np.exp(-2 * np.log(truth / (1 - truth)) - 0.5))
    return scores, (rng.random(n) < truth).astype(float)


@pytest.mark.parametrize("digits", [2, 12])
def test_steps_are_sklearns_isotonic_regression(digits: int) -> None:
    isotonic = pytest.importorskip("sklearn.isotonic")
    scores, happened = world(1, 800)
    scores = scores.round(digits)
    theirs = isotonic.IsotonicRegression(out_of_bounds="clip").fit(scores, happened)
    ours = Isotonic.fit(scores, happened)
    assert ours.apply(scores) == pytest.approx(theirs.predict(scores), abs=1e-9)
    assert sum(ours.rows) == 800
    assert list(ours.chances) == sorted(set(ours.chances))


def test_the_curve_is_the_most_likely_one_and_its_error_that_of_a_logistic_regression() -> None:
    scores, happened = world(2, 600)
    ours = Platt.fit(scores, happened)
    odds = np.log(scores / (1 - scores))
    high, low = (happened.sum() + 1) / (happened.sum() + 2), 1 / ((1 - happened).sum() + 2)
    targets = np.where(happened == 1, high, low)

    def loss(at: np.ndarray) -> float:
        z = at[0] * odds + at[1]
        return float((np.logaddexp(0, z) - targets * z).sum())

    best = minimize(loss, [1.0, 0.0], method="BFGS", options={"gtol": 1e-9}).x
    assert (ours.slope, ours.intercept) == pytest.approx(best, rel=1e-5)
    linear = pytest.importorskip("statsmodels.genmod.generalized_linear_model")
    family = pytest.importorskip("statsmodels.genmod.families")
    fitted = linear.GLM(targets, np.column_stack([odds, np.ones(600)]), family=family.Binomial()).fit()
    assert ours.covariance == pytest.approx(fitted.cov_params()[np.triu_indices(2)], rel=1e-5)


def test_the_curve_stays_finite_where_scores_tell_the_labels_apart() -> None:
    made = Platt.fit([0.0, 0.1, 0.9, 1.0], [0, 0, 1, 1])
    assert np.isfinite([made.slope, made.intercept, *made.covariance]).all()
    assert (np.diff(made.apply([0.0, 0.1, 0.9, 1.0])) > 0).all()


@pytest.mark.parametrize("method", ["isotonic", "platt"])
def test_the_calibration_error_is_what_fresh_holdouts_show(method: str) -> None:
    """The standard deviation of the estimate over 300 holdouts, for one window whose scores are not theirs."""
    window = world(3, 400)[0] ** 0.5
    estimates = []
    for seed in range(300):
        made = calibrate(*world(10_000 + seed, 1500), method=method)  # type: ignore[arg-type]
        estimates.append(estimate_accuracy(made, window))
    seen = float(np.std([found.value for found in estimates]))
    said = float(np.mean([found.calibration_se for found in estimates]))
    assert said == pytest.approx(seen, rel=0.2)


def test_an_estimate_is_the_mean_chance_of_being_right() -> None:
    made = calibrate(*world(4, 2000))
    scores = world(5, 300)[0]
    positive = scores > 0.5
    found = estimate_accuracy(made, scores, positive)
    chances = made.apply(scores)
    right = np.where(positive, chances, 1 - chances)
    assert found.value == pytest.approx(right.mean(), rel=1e-12)
    assert found.sampling_se == pytest.approx((right * (1 - right)).sum() ** 0.5 / 300, rel=1e-12)
    n = found.value * (1 - found.value) / found.se**2
    assert (found.lower, found.upper) == pytest.approx(wilson(found.value, n, 0.95), rel=1e-12)


def test_a_tree_finds_where_the_losses_are_large_and_says_their_means() -> None:
    rng = np.random.default_rng(6)
    rows = rng.uniform(0, 1, (4000, 3))
    rows[rng.random(4000) < 0.2, 1] = np.nan
    expected = np.where(np.isnan(rows[:, 1]), 5.0, np.where(rows[:, 0] > 0.5, 2.0, 1.0))
    losses = expected * rng.exponential(1, 4000)
    tree = LossTree.fit(rows, losses)
    means = np.array([leaf.mean for leaf in tree.leaves])[tree.places(rows)]
    for value in (1.0, 2.0, 5.0):
        assert means[expected == value].mean() == pytest.approx(value, rel=0.1)
    assert sum(leaf.n for leaf in tree.leaves) == 2000
    assert min(leaf.n for leaf in tree.leaves) >= 25


def test_a_loss_is_the_leaves_means_weighted_by_the_window() -> None:
    rng = np.random.default_rng(7)
    rows, losses = rng.normal(size=(800, 2)), rng.exponential(1, 800)
    tree = LossTree.fit(rows, losses)
    window = rng.normal(0.5, 1, size=(200, 2))
    found = estimate_loss(tree, window)
    leaves = [tree.leaves[place] for place in tree.places(window)]
    assert found.value == pytest.approx(np.mean([leaf.mean for leaf in leaves]), rel=1e-12)
    assert found.sampling_se**2 == pytest.approx(np.mean([leaf.variance for leaf in leaves]) / 200, rel=1e-12)
    shares = np.bincount(tree.places(window), minlength=len(tree.leaves)) / 200
    errors = [leaf.variance / leaf.n for leaf in tree.leaves]
    assert found.calibration_se**2 == pytest.approx(float((shares**2 * errors).sum()), rel=1e-12)


def test_the_loss_interval_holds_what_comes_in_nineteen_of_twenty_worlds() -> None:
    inside = 0
    for seed in range(200):
        rng = np.random.default_rng([8, seed])
        rows = rng.normal(size=(1300, 2))
        losses = np.exp(rows[:, 0] / 2) * np.abs(rng.normal(size=1300))
        moved = np.flatnonzero(rows[1000:, 0] > 0) + 1000
        tree = LossTree.fit(rows[:1000], losses[:1000])
        inside += estimate_loss(tree, rows[moved]).holds(float(losses[moved].mean()))
    assert inside >= 180


@pytest.mark.parametrize("n", [60, 1500])
def test_what_was_learnt_is_the_same_after_json(n: int) -> None:
    made = calibrate(*world(9, n))
    assert isinstance(made, Isotonic if n == 1500 else Platt)
    assert msgspec.json.decode(msgspec.json.encode(made), type=Isotonic | Platt) == made
    rng = np.random.default_rng(0)
    tree = LossTree.fit(np.where(rng.random((n, 2)) < 0.1, np.nan, rng.random((n, 2))), rng.random(n))
    assert msgspec.json.decode(msgspec.json.encode(tree), type=LossTree) == tree


def test_bad_input_is_refused_in_words() -> None:
    made = calibrate(*world(0, 100))
    for scores, words in (([0.5, 1.5], "1.5 is not a score"), ([float("nan")], "nan is not a score"), ([], "no acc")):
        with pytest.raises(BadInput, match=words):
            estimate_accuracy(made, scores)
    with pytest.raises(BadInput, match="2 scores and 1 answers"):
        estimate_accuracy(made, [0.5, 0.6], [True])
    with pytest.raises(BadInput, match="2 scores and 1 labels"):
        calibrate([0.5, 0.6], [1])
    with pytest.raises(BadInput, match="3 is neither 0 nor 1"):
        calibrate([0.5], [3])
    with pytest.raises(BadInput, match="nothing to calibrate on"):
        calibrate([], [])
    with pytest.raises(BadInput, match="10 rows is too small"):
        LossTree.fit(np.zeros((10, 1)), np.zeros(10))
    tree = LossTree.fit(np.zeros((60, 1)), np.zeros(60))
    assert estimate_loss(tree, np.zeros((5, 1))).value == 0
    with pytest.raises(BadInput, match="rows have 2 columns"):
        estimate_loss(tree, np.zeros((5, 2)))
    with pytest.raises(BadInput, match="without rows"):
        estimate_loss(tree, np.zeros((0, 1)))
