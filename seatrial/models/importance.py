"""How much each feature matters to a model: as the model says, else by what is lost when it is shuffled on the holdout.

    from the model   trees and boosters say it (``feature_importances_``, a booster's gain); of a linear model it is
                     |coefficient| times the standard deviation of the column
    permutation      by how much the loss grows when the column's values are dealt to other rows

Shares add up to one. They say what drift may cost, not what caused it: of two columns that say the same a tree may use
either, and shuffling one of them costs nothing.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from seatrial.drift.profile import label_text
from seatrial.models.originals import Original, Predicted
from seatrial.spec.signature import Label

Floats = NDArray[np.float64]

MOST_ROWS = 2_000
MOST_ANSWERS = 1_000_000
"""Answers that the model gives for this, at most: with many features fewer rows are shuffled."""
LEAST_ROWS = 50
SHUFFLES = 3


class Importance(NamedTuple):
    """Shares by feature, and where they come from; nothing where nobody can say."""

    shares: Mapping[str, float] = {}
    source: Literal["", "model", "permutation"] = ""


def importance_of_model(original: Original, frame: pd.DataFrame) -> Importance:
    """As the model itself says of the columns of ``frame``, which are in its order."""
    names = [str(name) for name in frame.columns]
    found = _said(original.model, names, frame)
    return Importance(_shares(names, found), "model") if found is not None else Importance()


def importance_by_permutation(
    predict: Callable[[pd.DataFrame], Predicted],
    frame: pd.DataFrame,
    truth: NDArray[Any],
    classes: Sequence[Label],
    features: Sequence[str],
    *,
    seed: int = 0,
) -> Importance:
    """What shuffling each feature costs on a holdout.

    Args:
        predict: Answers for rows with the features as columns.
        frame: Rows of the holdout.
        truth: True labels or values, shape [rows].
        classes: In the order of the scores; none: it is a regression.
        features: Which columns.
        seed: Of the rows drawn and of the shuffles.

    Returns:
        Nothing below 50 rows, or where no column costs anything.

    References:
        L. Breiman, Random Forests, Mach. Learn. 45, 2001, section 10; A. Fisher, C. Rudin and F. Dominici, All Models
        are Wrong, but Many are Useful, JMLR 20, 2019 (model reliance).
    """
    present = [name for name in features if name in frame.columns]
    most = min(MOST_ROWS, MOST_ANSWERS // max(1, len(present) * SHUFFLES))
    if min(len(frame), most) < LEAST_ROWS or not present:
        return Importance()
    rng = np.random.default_rng(seed)
    drawn = rng.choice(len(frame), min(len(frame), most), replace=False)
    rows, true = frame.iloc[drawn].reset_index(drop=True), truth[drawn]
    before = _loss(predict(rows), true, classes)
    costs = [_cost(predict, rows, true, classes, name, before, rng) for name in present]
    if not np.isfinite(costs).all() or not sum(costs) > 0:
        return Importance()
    return Importance(_shares(present, np.array(costs)), "permutation")


def _cost(
    predict: Callable[[pd.DataFrame], Predicted],
    rows: pd.DataFrame,
    true: NDArray[Any],
    classes: Sequence[Label],
    name: str,
    before: float,
    rng: np.random.Generator,
) -> float:
    losses = []
    for _ in range(SHUFFLES):
        dealt = rows[name].iloc[rng.permutation(len(rows))].reset_index(drop=True)
        losses.append(_loss(predict(rows.assign(**{name: dealt})), true, classes))
    return max(0.0, float(np.mean(losses)) - before)


def _loss(answered: Predicted, true: NDArray[Any], classes: Sequence[Label]) -> float:
    """Mean log loss where there are scores, else the share of wrong answers; of a regression the mean squared error."""
    if not classes:
        return float(np.mean((answered.prediction.astype(np.float64) - true.astype(np.float64)) ** 2))
    labels = [label_text(label) for label in true.tolist()]
    if answered.scores is None:
        said = [label_text(label) for label in answered.prediction.tolist()]
        return sum(a != b for a, b in zip(said, labels, strict=True)) / len(labels)
    place = {label_text(label): column for column, label in enumerate(classes)}
    columns = np.array([place[label] for label in labels])
    chances = answered.scores[np.arange(len(true)), columns]
    return float(-np.mean(np.log(np.maximum(chances, 1e-15))))


def _said(model: Any, names: list[str], frame: pd.DataFrame) -> Floats | None:
    """What a model says of its own columns, one number each, or None."""
    try:
        found = _of_booster(model, names)
        found = getattr(model, "feature_importances_", None) if found is None else found
        if found is None:
            found = _of_coefficients(model, frame)
        values = None if found is None else np.asarray(found, dtype=np.float64)
    except Exception:  # noqa: BLE001 - whatever a library says when it has no importances, the holdout is asked instead
        return None
    if values is None or values.shape != (len(names),):
        return None
    usable = np.isfinite(values).all() and (values >= 0).all() and values.sum() > 0
    return values if usable else None


def _of_booster(model: Any, names: list[str]) -> Any:
    """The gain that a bare LightGBM or XGBoost booster kept; None of anything else."""
    kind = f"{type(model).__module__.split('.')[0]}.{type(model).__name__}"
    if kind == "lightgbm.Booster":
        return model.feature_importance(importance_type="gain")
    if kind == "xgboost.Booster":
        gains = model.get_score(importance_type="total_gain")
        known = model.feature_names or [f"f{index}" for index in range(len(names))]
        return [gains.get(name, 0.0) for name in known]
    return None


def _of_coefficients(model: Any, frame: pd.DataFrame) -> Floats | None:
    """|coefficient| · sd, the mean over classes; None where columns are no numbers."""
    coefficients = getattr(model, "coef_", None)
    if coefficients is None or not all(pd.api.types.is_numeric_dtype(kind) for kind in frame.dtypes):
        return None
    table = np.abs(np.atleast_2d(np.asarray(coefficients, dtype=np.float64)))
    sds = frame.to_numpy(dtype=np.float64, na_value=np.nan)
    found: Floats = table.mean(axis=0) * np.nan_to_num(np.nanstd(sds, axis=0))
    return found


def _shares(names: Sequence[str], values: Floats) -> dict[str, float]:
    shares = values / values.sum()
    return {name: round(float(share), 6) for name, share in zip(names, shares, strict=True)}
