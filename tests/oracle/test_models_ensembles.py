"""Ensembles against scikit-learn's own: registered members, combined as the runtime combines them."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_diabetes, load_iris
from sklearn.ensemble import VotingClassifier, VotingRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from seatrial.control.ensembles import ensemble_slot
from seatrial.models.ensemble_runtime import EnsembleRuntime
from seatrial.models.manifest import read_manifest
from seatrial.models.register import register
from seatrial.models.registry import Registry
from seatrial.models.runtimes import load
from seatrial.protocol.answers import Answers
from seatrial.protocol.features import Encoder
from seatrial.routing.snapshot import Slot
from seatrial.spec.deployment import VariantSpec

WEIGHTS = {"linear": 0.5, "tree": 0.2, "third": 0.3}


class Machine(NamedTuple):
    home: Path
    registry_url: str | None = None


class World(NamedTuple):
    """Fitted members, the rows they were fitted on, and a slot for each."""

    models: dict[str, Any]
    frame: pd.DataFrame
    target: pd.Series
    slots: dict[str, Slot]


def world(home: Path, models: dict[str, Any], frame: pd.DataFrame, target: pd.Series) -> World:
    machine = Machine(home)
    registry = Registry(machine)
    slots = {}
    for name, model in models.items():
        model.fit(frame, target)
        register(name, model, data=(frame, target), settings=machine)
        digest, directory = registry.materialise(name, 1, home / "store")
        manifest = read_manifest(str(directory))
        slots[name] = Slot(
            variant=name,
            model=name,
            version=1,
            digest=digest,
            path=str(directory),
            runtime=manifest.runtime,
            signature=manifest.signature,
        )
    return World(models, frame, target, slots)


@pytest.fixture(scope="module")
def classifiers(tmp_path_factory: pytest.TempPathFactory) -> World:
    frame = load_iris(as_frame=True).frame.rename(columns=lambda name: name.replace(" (cm)", "").replace(" ", "_"))
    models = {
        "linear": LogisticRegression(max_iter=500),
        "tree": DecisionTreeClassifier(max_depth=2, random_state=0),
        "third": GaussianNB(),
    }
    return world(tmp_path_factory.mktemp("classifiers"), models, frame.drop(columns="target"), frame["target"])


@pytest.fixture(scope="module")
def regressors(tmp_path_factory: pytest.TempPathFactory) -> World:
    frame = load_diabetes(as_frame=True).frame
    models = {
        "linear": LinearRegression(),
        "tree": DecisionTreeRegressor(max_depth=3, random_state=0),
        "third": DecisionTreeRegressor(max_depth=2, random_state=1),
    }
    return world(tmp_path_factory.mktemp("regressors"), models, frame.drop(columns="target"), frame["target"])


def answers(given: World, combine: str, weights: dict[str, float]) -> list[dict[str, Any]]:
    """The ensemble's answers to every row, read as the gateway reads them."""
    said = VariantSpec(ensemble=tuple(given.slots), combine=combine, weights=weights)  # type: ignore[arg-type]
    slot = ensemble_slot("all", said, given.slots)
    runtime = load(slot)
    assert isinstance(runtime, EnsembleRuntime)
    try:
        rows = given.frame.to_dict("records")
        outputs = runtime.run(Encoder(slot.signature).encode(rows).tensors)
        return Answers(slot.signature).read(outputs, len(rows)).answers
    finally:
        runtime.close()


@pytest.mark.parametrize(("combine", "weights"), [("mean", {}), ("weights", WEIGHTS)])
def test_scores_and_labels_are_those_of_soft_voting(
    classifiers: World, combine: str, weights: dict[str, float]
) -> None:
    oracle = VotingClassifier(list(classifiers.models.items()), voting="soft", weights=list(weights.values()) or None)
    oracle.fit(classifiers.frame, classifiers.target)
    found = answers(classifiers, combine, weights)
    scores = np.array([[answer["scores"][str(label)] for label in oracle.classes_] for answer in found])
    assert scores == pytest.approx(oracle.predict_proba(classifiers.frame), abs=2e-5)
    assert [answer["prediction"] for answer in found] == oracle.predict(classifiers.frame).tolist()


def test_labels_are_those_of_hard_voting_where_there_is_a_majority(classifiers: World) -> None:
    oracle = VotingClassifier(list(classifiers.models.items()), voting="hard")
    oracle.fit(classifiers.frame, classifiers.target)
    found = answers(classifiers, "vote", {})
    votes = np.array([model.predict(classifiers.frame) for model in classifiers.models.values()])
    decided = np.array([len(set(column)) < 3 for column in votes.T])
    labels = np.array([answer["prediction"] for answer in found])
    assert decided.sum() > 100
    assert (labels == oracle.predict(classifiers.frame))[decided].all()
    assert (labels == votes[0])[~decided].all()
    assert all(set(answer) == {"prediction"} for answer in found)


@pytest.mark.parametrize(("combine", "weights"), [("mean", {}), ("weights", WEIGHTS)])
def test_numbers_are_those_of_a_voting_regressor(regressors: World, combine: str, weights: dict[str, float]) -> None:
    oracle = VotingRegressor(list(regressors.models.items()), weights=list(weights.values()) or None)
    oracle.fit(regressors.frame, regressors.target)
    found = [answer["prediction"] for answer in answers(regressors, combine, weights)]
    assert found == pytest.approx(oracle.predict(regressors.frame), rel=1e-4)
