"""Registering scikit-learn models end to end: converted, proved, profiled, versioned, served."""

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import SVC

from seatrial.drift.estimates.lesson import estimate_by_scores
from seatrial.drift.profile import Profile
from seatrial.models.frames import pack, rows_of
from seatrial.models.parity import served_answers
from seatrial.models.register import register
from seatrial.models.registry import Registry
from seatrial.models.runtimes import load
from seatrial.protocol.features import Encoder
from seatrial.spec.errors import BadInput
from tests.unit.models.conftest import Machine

MODELS = {
    "logistic": lambda: make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)),
    "kernel": lambda: CalibratedClassifierCV(SVC(), ensemble=False),
    "boosting": lambda: GradientBoostingClassifier(n_estimators=10, subsample=0.5, random_state=1),
}


@pytest.mark.parametrize("which", MODELS)
def test_digits_are_served_as_the_original_answers(which: str, digits: pd.DataFrame, machine: Machine) -> None:
    training, holdout = digits.iloc[:1000], digits.iloc[1000:]
    features = training.drop(columns="digit")
    model = MODELS[which]().fit(features, training["digit"])
    done = register("digits", model, data=training, target="digit", holdout=holdout, settings=machine)

    registry = Registry(machine)
    assert registry.resolve("models:/digits@champion") == ("digits", 1)
    digest, directory = registry.materialise("digits", 1, machine.home / "store")
    assert digest == done.digest
    assert directory.name == digest

    runtime = load(directory)
    unseen = holdout.drop(columns="digit")
    signature = done.manifest.signature
    rows = msgspec.json.decode(msgspec.json.encode(unseen.to_dict("records")))
    outputs = runtime.run(Encoder(signature).encode(rows).tensors)
    assert np.array_equal(outputs[signature.answer.prediction], model.predict(unseen))
    assert signature.answer.scores is not None
    assert np.abs(outputs[signature.answer.scores] - model.predict_proba(unseen)).max() < 1e-5
    assert done.manifest.lineage.metrics["accuracy"] == pytest.approx(model.score(unseen, holdout["digit"]))
    runtime.close()


def answered(model: Any, frame: pd.DataFrame, machine: Machine) -> Any:
    """What a version of the model answers to requests with these rows."""
    done = register("m", model, data=frame, settings=machine)
    _, directory = Registry(machine).materialise("m", done.version, machine.home / "store")
    signature = done.manifest.signature
    outputs = load(directory).run(Encoder(signature).encode(rows_of(frame, signature.features)).tensors)
    return served_answers(outputs, signature.answer).prediction


def test_a_model_fitted_on_a_table_of_one_column_answers_with_numbers(digits: pd.DataFrame, machine: Machine) -> None:
    frame = digits.drop(columns="digit").iloc[:200, 20:30]
    model = LinearRegression().fit(frame, digits[["digit"]].head(200))
    assert answered(model, frame, machine) == pytest.approx(model.predict(frame)[:, 0], abs=1e-3)


@pytest.mark.parametrize("runtime", ["onnx", "python"])
def test_a_model_of_several_values_is_refused(runtime: Any, digits: pd.DataFrame, machine: Machine) -> None:
    frame = digits.drop(columns="digit").iloc[:200, 20:30]
    model = Ridge().fit(frame, digits.iloc[:200, :2])
    with pytest.raises(BadInput, match="predicts 2 values at once; register one model a value"):
        register("m", model, data=frame, runtime=runtime, settings=machine)


def test_a_search_is_served_as_its_best_model(digits: pd.DataFrame, machine: Machine) -> None:
    frame = digits.drop(columns="digit").iloc[:200, 20:30]
    labels = np.where(digits["digit"].head(200) > 4, "high", "low")
    search = GridSearchCV(make_pipeline(HistGradientBoostingClassifier(max_iter=3)), {}, cv=2).fit(frame, labels)
    assert list(answered(search, frame, machine)) == list(search.predict(frame))


def test_categories_alone_need_no_column_transformer(machine: Machine) -> None:
    frame = pd.DataFrame({"plan": ["a", "b", None, "a"] * 20, "shop": ["n", "s", "s", "n", "e"] * 16})
    labels = np.where(frame["shop"] == "n", "yes", "no")
    model = make_pipeline(OneHotEncoder(handle_unknown="ignore"), LogisticRegression()).fit(frame, labels)
    assert list(answered(model, frame, machine)) == list(model.predict(frame))


def test_the_artefact_carries_its_profile_samples_and_lineage(digits: pd.DataFrame, machine: Machine) -> None:
    training, holdout = digits.iloc[:600], digits.iloc[600:900]
    model = MODELS["logistic"]().fit(training.drop(columns="digit"), training["digit"])
    done = register("digits", model, data=training, target="digit", holdout=holdout, settings=machine)
    _, directory = Registry(machine).materialise("digits", 1, machine.home / "store")

    profile = Profile.from_json((directory / "profile.json").read_bytes())
    assert profile.rows == 600
    assert profile.holdout_rows == 300
    assert profile.performance["accuracy"].n == 300
    assert profile.lesson is not None
    assert profile.lesson.calibrator is not None
    unseen = holdout.drop(columns="digit")
    found = estimate_by_scores(profile.lesson.calibrator, model.predict_proba(unseen).max(axis=1))
    assert found is not None
    assert found.holds(model.score(unseen, holdout["digit"]))
    samples = msgspec.json.decode((directory / "samples.json").read_bytes())
    assert set(samples[0]) == set(training.columns) - {"digit"}
    lineage = done.manifest.lineage
    assert lineage.data_rows == 600
    assert len(lineage.data_digest) == 64
    assert lineage.parameters["logisticregression__max_iter"] == "1000"
    assert lineage.framework.startswith("scikit-learn ")


def test_a_holdout_with_other_labels_than_the_models_is_refused(digits: pd.DataFrame, machine: Machine) -> None:
    training, holdout = digits.iloc[:300], digits.iloc[300:400]
    words = holdout.assign(digit=[f"d{label}" for label in holdout["digit"]])
    model = MODELS["logistic"]().fit(training.drop(columns="digit"), training["digit"])
    with pytest.raises(BadInput, match=r"'digit' holds 'd0', 'd1'.* and the model answers 0, 1, 2, 3, 4; write"):
        register("digits", model, data=training, target="digit", holdout=words, settings=machine)


def test_without_a_holdout_there_is_no_prediction_profile(digits: pd.DataFrame, machine: Machine) -> None:
    model = MODELS["logistic"]().fit(digits.drop(columns="digit"), digits["digit"])
    done = register("digits", model, data=digits, target="digit", settings=machine)
    _, directory = Registry(machine).materialise("digits", 1, machine.home / "store")
    profile = Profile.from_json((directory / "profile.json").read_bytes())
    assert profile.prediction == ()
    assert profile.performance == {}
    assert profile.lesson is None
    assert done.manifest.lineage.metrics == {}


def test_frames_and_requests_are_packed_alike(digits: pd.DataFrame, machine: Machine, tmp_path: Path) -> None:
    model = MODELS["logistic"]().fit(digits.drop(columns="digit"), digits["digit"])
    path = tmp_path / "digits.parquet"
    digits.to_parquet(path)
    signature = register("digits", model, data=path, target="digit", settings=machine).manifest.signature
    frame = digits.drop(columns="digit").head(20)
    by_frame = pack(signature, frame)
    by_request = Encoder(signature).encode(frame.to_dict("records")).tensors
    assert by_frame.keys() == by_request.keys()
    assert all(np.array_equal(by_frame[name], by_request[name]) for name in by_frame)
