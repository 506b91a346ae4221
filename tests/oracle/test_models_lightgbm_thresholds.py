"""LightGBM against its ONNX form on its own split thresholds, where a float32 rounded the wrong way shows.

The oracle is LightGBM itself. Thresholds rounded to the nearest float32 are shown to be wrong for float32 features, so
that the test would see the mistake that the converter avoids; for float64 features the nearest is shown to be right.
"""

from typing import Any

import lightgbm
import numpy as np
import pandas as pd
import pytest

from seatrial.models import tree_ensembles
from seatrial.models.lightgbm_models import effective_cut, lightgbm_original, lightgbm_trees
from seatrial.models.rounding import at_or_below, nearest
from seatrial.models.runtimes import OnnxRuntime
from seatrial.models.thresholds import thresholds_of
from seatrial.models.tree_ensembles import ensemble_model, single_columns

ROWS = 3000


def fitted(dtype: str) -> tuple[Any, pd.DataFrame]:
    rng = np.random.default_rng(11)
    frame = pd.DataFrame(rng.normal(size=(ROWS, 3)), columns=["a", "b", "c"]).astype(dtype)
    truth = np.sin(frame["a"] * 3) + frame["b"] ** 2 + frame["c"]
    return lightgbm.LGBMRegressor(n_estimators=30, verbose=-1, n_jobs=1).fit(frame, truth), frame


def on_thresholds(model: Any, frame: pd.DataFrame) -> pd.DataFrame:
    """Rows whose values lie exactly on a threshold, as the column's type can hold it."""
    cuts = thresholds_of(lightgbm_original(model), list(frame.columns))
    parts = [
        frame.iloc[np.arange(len(c)) % ROWS].reset_index(drop=True).assign(**{name: c}) for name, c in cuts.items()
    ]
    return pd.concat(parts, ignore_index=True).astype(frame.dtypes.to_dict())


def worst(model: Any, frame: pd.DataFrame, rows: pd.DataFrame, *, wide: bool) -> float:
    single = single_columns(list(frame.dtypes))
    graph = ensemble_model(lightgbm_trees(model.booster_), columns=3, classes=0, wide=wide, single=single)
    runtime = OnnxRuntime(graph.SerializeToString())
    values = runtime.run({"input": rows.to_numpy(np.float64 if wide else np.float32)})["label"][:, 0]
    return float(np.abs(values - model.predict(rows)).max())


@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_rows_on_the_thresholds_agree(dtype: str, wide: bool) -> None:
    model, frame = fitted(dtype)
    rows = on_thresholds(model, frame)
    assert len(rows) > 300
    assert worst(model, frame, rows, wide=wide) < 1e-5


def test_the_nearest_float32_is_wrong_for_float32_features(monkeypatch: pytest.MonkeyPatch) -> None:
    model, frame = fitted("float32")
    monkeypatch.setattr(tree_ensembles, "at_or_below", nearest)
    assert worst(model, frame, frame, wide=False) < 1e-5, "ordinary rows do not show it"
    assert worst(model, frame, on_thresholds(model, frame), wide=False) > 1e-3


def test_at_or_below_is_wrong_for_float64_features(monkeypatch: pytest.MonkeyPatch) -> None:
    model, frame = fitted("float64")
    monkeypatch.setattr(tree_ensembles, "nearest", at_or_below)
    assert worst(model, frame, on_thresholds(model, frame), wide=False) > 1e-3


@pytest.mark.parametrize("value", [0.0, 1e-36, -1e-36, 1e-35, -1e-35, 1.1e-35, -1.1e-35, 1.0, -1.0])
def test_what_lightgbm_reads_as_zero(value: float) -> None:
    rng = np.random.default_rng(2)
    frame = pd.DataFrame({"a": rng.choice([-1.0, 0.0, 1.0], 600)})
    model = lightgbm.LGBMRegressor(n_estimators=1, min_child_samples=1, verbose=-1).fit(frame, frame["a"] ** 3 + 1)
    cuts = {effective_cut(cut) for _, cut in lightgbm_trees(model.booster_).cuts()}
    assert len(cuts) == 2
    trees = lightgbm_trees(model.booster_)
    graph = ensemble_model(trees, columns=1, classes=0, wide=True, single=np.array([False]))
    served = OnnxRuntime(graph.SerializeToString()).run({"input": np.array([[value]])})["label"][0, 0]
    assert served == pytest.approx(model.predict(pd.DataFrame({"a": [value]}))[0], abs=1e-6)
