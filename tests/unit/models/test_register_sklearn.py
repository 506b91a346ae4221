"""Registering scikit-learn models end to end: converted, proved, profiled, versioned, served."""

from pathlib import Path

import msgspec
import numpy as np
import pandas as pd
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from seatrial.drift.profile import Profile
from seatrial.models.frames import pack
from seatrial.models.register import register
from seatrial.models.registry import Registry
from seatrial.models.runtimes import load
from seatrial.protocol.features import Encoder
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


def test_the_artefact_carries_its_profile_samples_and_lineage(digits: pd.DataFrame, machine: Machine) -> None:
    training, holdout = digits.iloc[:600], digits.iloc[600:900]
    model = MODELS["logistic"]().fit(training.drop(columns="digit"), training["digit"])
    done = register("digits", model, data=training, target="digit", holdout=holdout, settings=machine)
    _, directory = Registry(machine).materialise("digits", 1, machine.home / "store")

    profile = Profile.from_json((directory / "profile.json").read_bytes())
    assert profile.rows == 600
    assert profile.holdout_rows == 300
    assert profile.performance["accuracy"].n == 300
    samples = msgspec.json.decode((directory / "samples.json").read_bytes())
    assert set(samples[0]) == set(training.columns) - {"digit"}
    lineage = done.manifest.lineage
    assert lineage.data_rows == 600
    assert len(lineage.data_digest) == 64
    assert lineage.parameters["logisticregression__max_iter"] == "1000"
    assert lineage.framework.startswith("scikit-learn ")


def test_without_a_holdout_there_is_no_prediction_profile(digits: pd.DataFrame, machine: Machine) -> None:
    model = MODELS["logistic"]().fit(digits.drop(columns="digit"), digits["digit"])
    done = register("digits", model, data=digits, target="digit", settings=machine)
    _, directory = Registry(machine).materialise("digits", 1, machine.home / "store")
    profile = Profile.from_json((directory / "profile.json").read_bytes())
    assert profile.prediction == ()
    assert profile.performance == {}
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
