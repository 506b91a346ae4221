"""How much each feature matters: as the model says, else by what shuffling it costs."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LinearRegression, LogisticRegression

from seatrial.models.importance import Importance, importance_by_permutation, importance_of_model
from seatrial.models.originals import Original, Predicted

RNG = np.random.default_rng(7)
FRAME = pd.DataFrame(RNG.normal(size=(800, 4)) * [1.0, 10.0, 1.0, 1.0], columns=["a", "b", "c", "idle"])
SCORE = 2.0 * FRAME["a"] + 0.1 * FRAME["b"] + 0.5 * FRAME["c"]
TARGET = (SCORE + RNG.normal(size=800) > 0).to_numpy().astype(int)


def original(model: Any) -> Original:
    return Original("sklearn", model, "classification", (0, 1), None, 4, "frame", False, lambda rows: rows)


def scored(model: Any, *, scores: bool = True) -> Any:
    def predict(rows: pd.DataFrame) -> Predicted:
        return Predicted(model.predict(rows), model.predict_proba(rows) if scores else None)

    return predict


def test_trees_say_it_themselves() -> None:
    model = RandomForestClassifier(20, random_state=0).fit(FRAME, TARGET)
    found = importance_of_model(original(model), FRAME)
    assert found.source == "model"
    assert list(found.shares.values()) == pytest.approx(model.feature_importances_.tolist(), abs=1e-6)


def test_a_coefficient_is_worth_the_spread_of_its_column() -> None:
    """The columns a and b have coefficients 2 and 0.1, and spreads 1 and 10."""
    model = LinearRegression().fit(FRAME, SCORE)
    found = importance_of_model(original(model), FRAME)
    sds = FRAME.std(ddof=0)
    worth = np.abs(model.coef_) * sds.to_numpy()
    assert list(found.shares.values()) == pytest.approx((worth / worth.sum()).tolist(), abs=1e-6)
    assert found.shares["a"] == pytest.approx(2 / 3.5, abs=0.03)


@pytest.mark.parametrize("booster", ["xgboost", "lightgbm"])
def test_a_bare_booster_says_its_gain(booster: str) -> None:
    library = pytest.importorskip(booster)
    if booster == "xgboost":
        model = library.train({"max_depth": 2, "objective": "binary:logistic"}, library.DMatrix(FRAME, TARGET), 10)
    else:
        params = {"num_leaves": 4, "objective": "binary", "verbose": -1}
        model = library.train(params, library.Dataset(FRAME, TARGET), 10)
    found = importance_of_model(original(model), FRAME)
    assert found.source == "model"
    assert max(found.shares, key=lambda name: found.shares[name]) == "a"
    assert sum(found.shares.values()) == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize("model", [HistGradientBoostingClassifier(), object(), LogisticRegression()])
def test_a_model_that_does_not_say_says_nothing(model: Any) -> None:
    """The last one was not fitted: whatever it raises is no importance."""
    assert importance_of_model(original(model), FRAME) == Importance()


def test_coefficients_of_other_columns_are_not_taken_for_those_of_the_features() -> None:
    model = LogisticRegression().fit(np.column_stack([FRAME, FRAME["a"]]), TARGET)
    assert importance_of_model(original(model), FRAME) == Importance()


def test_shuffling_agrees_with_scikit_learns() -> None:
    """Oracle: scikit-learn's permutation importance of the log loss, many shuffles, so shares agree to their noise."""
    model = LogisticRegression().fit(FRAME, TARGET)
    ours = importance_by_permutation(scored(model), FRAME, TARGET, (0, 1), list(FRAME.columns))
    theirs = permutation_importance(model, FRAME, TARGET, scoring="neg_log_loss", n_repeats=30, random_state=0)
    worth = np.maximum(theirs.importances_mean, 0)
    assert ours.source == "permutation"
    assert list(ours.shares.values()) == pytest.approx((worth / worth.sum()).tolist(), abs=0.05)


def test_without_scores_it_is_the_share_of_wrong_answers() -> None:
    model = LogisticRegression().fit(FRAME, TARGET)
    found = importance_by_permutation(scored(model, scores=False), FRAME, TARGET, (0, 1), list(FRAME.columns))
    assert max(found.shares, key=lambda name: found.shares[name]) == "a"
    assert found.shares["idle"] < 0.05


def test_a_regression_loses_squares() -> None:
    model = LinearRegression().fit(FRAME, SCORE)
    found = importance_by_permutation(
        lambda rows: Predicted(model.predict(rows), None), FRAME, SCORE.to_numpy(), (), list(FRAME.columns)
    )
    worth = np.array([4.0, 1.0, 0.25, 0.0])  # 2 · var(coefficient · column), the shares of an exact linear model
    assert list(found.shares.values()) == pytest.approx((worth / worth.sum()).tolist(), abs=0.03)


@pytest.mark.parametrize(
    ("frame", "features"), [(FRAME[:49], list(FRAME.columns)), (FRAME, ["other"]), (FRAME, ["idle"])]
)
def test_nothing_is_said_where_nobody_knows(frame: pd.DataFrame, features: list[str]) -> None:
    """Too few rows, names that the holdout does not have, a column that costs nothing."""
    model = LinearRegression().fit(FRAME[["a", "b", "c"]], SCORE)
    predict = lambda rows: Predicted(model.predict(rows[["a", "b", "c"]]), None)  # noqa: E731
    assert importance_by_permutation(predict, frame, SCORE.to_numpy(), (), features) == Importance()


def test_the_same_holdout_says_the_same() -> None:
    model = LogisticRegression().fit(FRAME, TARGET)
    once, again = (
        importance_by_permutation(scored(model), FRAME, TARGET, (0, 1), list(FRAME.columns)) for _ in range(2)
    )
    assert once == again
