"""Boosters, pipelines, text and regression: registered, proved, and served from requests as the original answers."""

from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pandas as pd
import pytest
import xgboost
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from seatrial.models.frames import rows_of
from seatrial.models.parity import served_answers
from seatrial.models.register import Registered, register
from seatrial.models.registry import Registry
from seatrial.models.runtimes import load
from seatrial.protocol.features import Encoder
from seatrial.spec.errors import BadInput
from tests.unit.models.conftest import Machine

ROWS = 400
QUIET = {"n_estimators": 8, "verbose": -1, "n_jobs": 1}


def people(dtype: str = "float64") -> pd.DataFrame:
    rng = np.random.default_rng(7)
    frame = pd.DataFrame({"age": rng.normal(40, 12, ROWS), "income": rng.lognormal(10, 1, ROWS)}).astype(dtype)
    frame.loc[rng.random(ROWS) < 0.1, "income"] = np.nan
    plans = pd.Series(rng.choice(["basic", "gold", "plus"], ROWS))
    frame["plan"] = pd.Categorical(plans.where(rng.random(ROWS) > 0.1), categories=["plus", "gold", "basic"])
    frame["visits"] = rng.integers(0, 20, ROWS)
    frame["member"] = rng.random(ROWS) < 0.5
    return frame


def churned(frame: pd.DataFrame) -> "pd.Series[Any]":
    score = (frame["plan"].astype(object) == "gold") + frame["visits"] / 10 + frame["age"] / 100
    return pd.Series(np.where(score > 1.4, "yes", "no"))


def served(done: Registered, machine: Machine, frame: pd.DataFrame) -> Any:
    """What a request with these rows is answered."""
    _, directory = Registry(machine).materialise(done.name, done.version, machine.home / "store")
    runtime = load(directory, done.manifest.trust)
    signature = done.manifest.signature
    rows = rows_of(frame, signature.features)
    try:
        return served_answers(runtime.run(Encoder(signature).encode(rows).tensors), signature.answer)
    finally:
        runtime.close()


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_lightgbm_with_categories_and_missing_values(dtype: str, machine: Machine) -> None:
    frame = people(dtype)
    model = lightgbm.LGBMClassifier(**QUIET).fit(frame, churned(frame))
    done = register("churn", model, data=frame.assign(y=churned(frame)), target="y", settings=machine)
    assert done.manifest.parity is not None
    assert done.manifest.parity.made_rows > 50
    kinds = {f.name: (f.kind, f.nullable) for f in done.manifest.signature.features}
    assert kinds["plan"] == ("category", True)
    assert kinds["income"] == ("number", True)
    answers = served(done, machine, frame)
    assert list(answers.prediction) == list(model.predict(frame))
    assert np.abs(answers.scores - model.predict_proba(frame)).max() < 1e-5


def test_the_order_of_categories_is_the_models_own(machine: Machine) -> None:
    frame = people()
    booster = lightgbm.LGBMClassifier(**QUIET).fit(frame, churned(frame)).booster_
    shuffled = frame.assign(plan=frame["plan"].astype(object))
    done = register("churn", booster, data=shuffled, settings=machine)
    plan = next(f for f in done.manifest.signature.features if f.name == "plan")
    assert plan.categories == ("plus", "gold", "basic")
    assert np.abs(served(done, machine, frame).scores[:, 1] - booster.predict(frame)).max() < 1e-5


def test_a_lightgbm_file_finds_its_categories_and_its_columns_by_itself(machine: Machine, tmp_path: Path) -> None:
    frame = people().rename(columns={"income": "yearly income"})
    frame["size"] = pd.Categorical(np.arange(ROWS) % 3, categories=[2, 0, 1])
    booster = lightgbm.LGBMClassifier(**QUIET).fit(frame, churned(people())).booster_
    booster.save_model(tmp_path / "model.txt")
    frame.to_csv(tmp_path / "data.csv", index=False)
    done = register("churn", tmp_path / "model.txt", data=tmp_path / "data.csv", settings=machine)
    kinds = {f.name: (f.kind, f.categories) for f in done.manifest.signature.features}
    assert kinds["size"] == ("category", ("2", "0", "1"))
    assert kinds["yearly income"] == ("number", None)
    assert np.abs(served(done, machine, frame).scores[:, 1] - booster.predict(frame)).max() < 1e-5


def test_a_lightgbm_objective_of_somebodys_own_is_refused(machine: Machine) -> None:
    frame = people()[["age", "visits"]]
    own = {**QUIET, "objective": lambda truth, score: (score - truth, np.ones_like(score))}
    model = lightgbm.LGBMClassifier(**own).fit(frame, churned(people()) == "yes")
    with pytest.raises(BadInput, match="an objective of its own, so what its scores mean is not known"):
        register("own", model, data=frame, runtime="python", settings=machine)


def test_an_unseen_category_is_treated_as_the_original_treats_it(machine: Machine) -> None:
    frame = people()
    model = lightgbm.LGBMClassifier(**QUIET).fit(frame, churned(frame))
    done = register("churn", model, data=frame, settings=machine)
    strange = frame.head(20).assign(plan="platinum")
    original = frame.head(20).assign(plan=pd.Categorical([None] * 20, categories=["plus", "gold", "basic"]))
    assert np.abs(served(done, machine, strange).scores - model.predict_proba(original)).max() < 1e-5


def test_values_that_float32_cannot_hold_are_served_in_float64(machine: Machine) -> None:
    rng = np.random.default_rng(3)
    frame = pd.DataFrame({"id": rng.integers(10**8, 10**9, ROWS), "x": rng.normal(size=ROWS)})
    truth = (frame["id"] % 5 < 2).astype(int)
    many = {**QUIET, "n_estimators": 60, "min_child_samples": 1}
    model = lightgbm.LGBMClassifier(**many).fit(frame, truth)
    done = register("ids", model, data=frame, settings=machine)
    assert done.manifest.parity is not None
    assert done.manifest.parity.unsafe_features == ("id",)
    assert done.manifest.signature.inputs[0].datatype == "FP64"
    note = "float32 cannot hold all values of: id; so the model is served in float64 and nothing is lost."
    assert note in done.notes
    assert repr(done) == "Registered('models:/ids/1', aliases=['champion'], runtime='onnx')"
    assert list(served(done, machine, frame).prediction) == list(model.predict(frame))


def test_xgboost_with_categories(machine: Machine) -> None:
    frame = people()
    truth = (churned(frame) == "yes").astype(int)
    model = xgboost.XGBClassifier(n_estimators=8, enable_categorical=True, n_jobs=1).fit(frame, truth)
    done = register("churn", model, data=frame, settings=machine)
    assert np.abs(served(done, machine, frame).scores - model.predict_proba(frame)).max() < 1e-5


@pytest.mark.parametrize("runtime", ["onnx", "python"])
@pytest.mark.parametrize("saved", [False, True])
def test_xgboost_that_stopped_early_answers_with_its_best_trees(
    saved: bool, runtime: Any, machine: Machine, tmp_path: Path
) -> None:
    frame, noise = people()[["age", "plan", "visits"]], np.random.default_rng(1).integers(0, 2, ROWS)
    model = xgboost.XGBClassifier(
        n_estimators=50, learning_rate=0.5, early_stopping_rounds=3, enable_categorical=True, n_jobs=1
    )
    model.fit(frame[:200], noise[:200], eval_set=[(frame[200:], noise[200:])], verbose=False)
    assert model.best_iteration + 1 < model.get_booster().num_boosted_rounds()
    model.save_model(tmp_path / "model.json")
    registered = tmp_path / "model.json" if saved else model
    done = register("early", registered, data=frame, runtime=runtime, settings=machine)
    assert np.abs(served(done, machine, frame).scores - model.predict_proba(frame)).max() < 1e-5


def test_an_xgboost_model_with_a_number_for_missing_is_refused(machine: Machine) -> None:
    frame = people()[["age", "visits"]]
    model = xgboost.XGBRegressor(n_estimators=2, missing=-999.0, n_jobs=1).fit(frame, frame["visits"])
    for runtime in ("onnx", "python"):
        with pytest.raises(BadInput, match="was fitted with missing=-999; put missing values into the data as such"):
            register("m", model, data=frame, runtime=runtime, settings=machine)  # type: ignore[arg-type]


REGRESSORS = {
    "lightgbm": lambda: lightgbm.LGBMRegressor(**QUIET),
    "lightgbm-poisson": lambda: lightgbm.LGBMRegressor(objective="poisson", **QUIET),
    "xgboost": lambda: xgboost.XGBRegressor(n_estimators=8, n_jobs=1),
    "histogram": lambda: HistGradientBoostingRegressor(max_iter=8),
}


@pytest.mark.parametrize("which", REGRESSORS)
def test_regression(which: str, machine: Machine) -> None:
    frame = people()[["age", "income", "visits"]]
    truth = frame["visits"] * 2.0 + frame["age"] / 10
    model = REGRESSORS[which]().fit(frame, truth)
    data = frame.assign(spend=truth)
    done = register("spend", model, data=data, target="spend", holdout=data, settings=machine)
    assert done.manifest.signature.task == "regression"
    values = served(done, machine, frame).prediction
    assert np.allclose(values, model.predict(frame), rtol=1e-4)
    assert done.manifest.lineage.metrics["mae"] == pytest.approx(np.abs(model.predict(frame) - truth).mean())


def test_histogram_boosting_with_missing_values(machine: Machine) -> None:
    frame = people()[["age", "income", "visits"]]
    model = HistGradientBoostingClassifier(max_iter=8).fit(frame, churned(people()))
    done = register("churn", model, data=frame, settings=machine)
    assert done.manifest.runtime == "onnx"
    assert np.abs(served(done, machine, frame).scores - model.predict_proba(frame)).max() < 1e-5


def reviews() -> tuple[pd.DataFrame, "pd.Series[Any]"]:
    rng = np.random.default_rng(5)
    words = np.array(["good", "bad", "fine", "awful", "great", "slow", "quick", "kind"])
    texts = [" ".join(rng.choice(words, rng.integers(1, 9))) + f" no {i}" for i in range(ROWS)]
    frame = pd.DataFrame({"review": texts, "visits": rng.integers(0, 20, ROWS)})
    frame["shop"] = pd.Series(rng.choice(["north", "south"], ROWS)).where(rng.random(ROWS) > 0.2)
    return frame, pd.Series(["good" in text for text in texts])


def test_a_pipeline_with_text_and_missing_categories(machine: Machine) -> None:
    frame, truth = reviews()
    columns = make_column_transformer(
        (TfidfVectorizer(), "review"),
        (OneHotEncoder(handle_unknown="ignore"), ["shop"]),
        (StandardScaler(), ["visits"]),
    )
    model = make_pipeline(columns, LogisticRegression()).fit(frame, truth)
    done = register("reviews", model, data=frame, settings=machine)
    assert done.manifest.runtime == "onnx"
    assert {f.name: f.kind for f in done.manifest.signature.features} == {
        "review": "text",
        "visits": "integer",
        "shop": "category",
    }
    answers = served(done, machine, frame)
    assert list(answers.prediction) == list(model.predict(frame))
    assert np.abs(answers.scores - model.predict_proba(frame)).max() < 1e-5


@pytest.mark.parametrize("last", [lightgbm.LGBMClassifier(**QUIET), HistGradientBoostingClassifier(max_iter=8)])
def test_boosters_inside_pipelines(last: Any, machine: Machine) -> None:
    frame, truth = reviews()
    labels = pd.Series(np.where(truth, "yes", "no"))
    columns = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore", sparse_output=False), ["shop"]), ("passthrough", ["visits"])
    )
    model = make_pipeline(columns, last).fit(frame[["shop", "visits"]], labels)
    done = register("reviews", model, data=frame[["shop", "visits"]], settings=machine)
    assert done.manifest.runtime == "onnx"
    assert list(served(done, machine, frame).prediction) == list(model.predict(frame[["shop", "visits"]]))


def test_columns_may_have_any_name(machine: Machine) -> None:
    frame, truth = reviews()
    odd = (
        frame[["visits"]].rename(columns={"visits": "Visits (€)"}).assign(label=frame["visits"], **{"Visits_.€.": 1.5})
    )
    columns = make_column_transformer((StandardScaler(), ["Visits (€)"]), ("passthrough", ["label"]))
    model = make_pipeline(columns, LogisticRegression()).fit(odd, truth)
    done = register("odd", model, data=odd, settings=machine)
    assert [f.name for f in done.manifest.signature.features] == list(odd)
    assert list(served(done, machine, odd).prediction) == list(model.predict(odd))


def strange_pipeline() -> Any:
    return make_pipeline(make_column_transformer((FunctionTransformer(np.log1p), ["visits"])), Ridge())


def test_what_does_not_convert_names_the_step_and_the_mend(machine: Machine) -> None:
    frame, _ = reviews()
    model = strange_pipeline().fit(frame[["visits"]], frame["visits"])
    with pytest.raises(BadInput, match=r"FunctionTransformer is not supported.*--runtime python"):
        register("strange", model, data=frame[["visits"]], settings=machine)
    assert Registry(machine).versions("strange") == ()


def test_the_original_is_served_in_a_process_of_its_own(machine: Machine) -> None:
    frame, truth = reviews()
    columns = make_column_transformer((OneHotEncoder(), ["shop"]), (StandardScaler(), ["visits"]))
    model = make_pipeline(columns, LogisticRegression()).fit(frame[["shop", "visits"]], truth)
    done = register("reviews", model, data=frame, runtime="python", settings=machine)
    assert (done.manifest.runtime, done.manifest.format, done.manifest.trust) == ("python", "skops", "none")
    answers = served(done, machine, frame)
    assert list(answers.prediction) == list(model.predict(frame[["shop", "visits"]]))
    assert np.array_equal(answers.scores, model.predict_proba(frame[["shop", "visits"]]))


def test_a_looser_parity_is_recorded(machine: Machine) -> None:
    frame = people()[["age", "visits"]]
    model = lightgbm.LGBMClassifier(**QUIET).fit(frame, churned(people()))
    done = register("churn", model, data=frame, parity=0.01, settings=machine)
    assert done.manifest.parity is not None
    assert done.manifest.parity.tolerance == 0.01


def test_data_with_another_schema_is_told(machine: Machine) -> None:
    frame = people()
    first = lightgbm.LGBMClassifier(**QUIET).fit(frame[["age", "visits"]], churned(frame))
    second = lightgbm.LGBMClassifier(**QUIET).fit(frame[["age", "income"]], churned(frame))
    register("churn", first, data=frame, settings=machine)
    done = register("churn", second, data=frame, settings=machine)
    assert any("differs from version 1: without visits; new: income" in note for note in done.notes)
    assert done.manifest.lineage.parent == "churn:1"
    with pytest.raises(BadInput, match="no column 'income', on which the model was fitted"):
        register("churn", second, data=frame[["age"]], settings=machine)
