"""The trust rule: a hostile pickle is run by nobody who did not say twice that he trusts it."""

import os
import sys
import types
from pathlib import Path
from typing import Any, NamedTuple

import joblib
import msgspec
import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, RegressorMixin

from seatrial.models.artefact import MANIFEST
from seatrial.models.frames import pack
from seatrial.models.manifest import Manifest, read_manifest
from seatrial.models.register import register
from seatrial.models.registry import Registry
from seatrial.models.runtimes import RuntimeFailure, load
from seatrial.spec.errors import BadInput

DATA = pd.DataFrame({"x": [0.0, 1.0, 2.0]})


class Machine(NamedTuple):
    home: Path
    registry_url: str | None = None


class Hostile:
    """Leaves a mark on the disk when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.mark),)


class Doubler(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """A model of somebody's own: no safe format knows it."""

    def fit(self, rows: pd.DataFrame, _: Any) -> "Doubler":
        self.feature_names_in_ = np.array(list(rows.columns), dtype=object)
        self.n_features_in_ = rows.shape[1]
        self.fitted_ = True
        return self

    def predict(self, rows: pd.DataFrame) -> Any:
        return rows.to_numpy()[:, 0] * 2.0


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path / "home")


@pytest.fixture
def mark(tmp_path: Path) -> Path:
    return tmp_path / "the-pickle-ran"


@pytest.mark.parametrize("name", ["model.joblib", "model.pkl", "model.pickle", "model.pt2"])
def test_registering_a_hostile_file_runs_nothing(name: str, tmp_path: Path, machine: Machine, mark: Path) -> None:
    joblib.dump(Hostile(mark), tmp_path / name)
    with pytest.raises(BadInput, match="add --trust pickle"):
        register("m", tmp_path / name, data=DATA, settings=machine)
    assert not mark.exists()


def test_a_hostile_pickle_under_another_name_runs_nothing(tmp_path: Path, machine: Machine, mark: Path) -> None:
    for name in ("model.onnx", "model.skops", "model.txt", "model.json", "model.ubj"):
        joblib.dump(Hostile(mark), tmp_path / name)
        with pytest.raises(BadInput):
            register("m", tmp_path / name, data=DATA, settings=machine)
    assert not mark.exists()


def hostile_artefact(machine: Machine, mark: Path, trust: str) -> Path:
    """A version whose file was exchanged for a hostile pickle by somebody who can write the store."""
    model = Doubler().fit(DATA, DATA["x"])
    register("m", model, data=DATA, runtime="python", trust="pickle", settings=machine)
    _, directory = Registry(machine).materialise("m", 1, machine.home / "store")
    manifest = read_manifest(str(directory))
    changed = msgspec.structs.replace(manifest, trust=trust)
    (directory / MANIFEST).write_bytes(msgspec.json.encode(changed))
    joblib.dump(Hostile(mark), directory / manifest.file)
    return directory


@pytest.mark.parametrize(("registered", "deployed"), [("none", "none"), ("none", "pickle"), ("pickle", "none")])
def test_one_word_of_trust_is_not_enough(registered: str, deployed: str, machine: Machine, mark: Path) -> None:
    directory = hostile_artefact(machine, mark, registered)
    with pytest.raises(BadInput, match="pickle"):
        load(directory, deployed)  # type: ignore[arg-type]
    assert not mark.exists()


def test_two_words_of_trust_are_what_runs_it(machine: Machine, mark: Path) -> None:
    """The test above could not fail if a hostile pickle did nothing when it is loaded."""
    directory = hostile_artefact(machine, mark, "pickle")
    with pytest.raises(RuntimeFailure):
        load(directory, "pickle")
    assert mark.exists()


def test_the_models_own_process_checks_again(machine: Machine, mark: Path) -> None:
    from seatrial.models.python_runtime import PythonRuntime

    directory = hostile_artefact(machine, mark, "pickle")
    with pytest.raises(RuntimeFailure, match="not trusted on both sides"):
        PythonRuntime(directory, "none", timeout=5.0)
    assert not mark.exists()


def test_materialising_runs_nothing(machine: Machine, mark: Path, tmp_path: Path) -> None:
    directory = hostile_artefact(machine, mark, "pickle")
    stored = machine.home / "registry"
    (kept,) = stored.rglob("model.joblib")
    kept.write_bytes((directory / "model.joblib").read_bytes())
    with pytest.raises(Exception, match="are not those that were registered"):
        Registry(machine).materialise("m", 1, tmp_path / "other-store")
    assert not mark.exists()


def test_an_own_model_needs_trust_and_says_it_to_the_deployment(machine: Machine) -> None:
    model = Doubler().fit(DATA, DATA["x"])
    with pytest.raises(BadInput, match=r"Doubler can only be kept as a pickle .* add --trust pickle"):
        register("m", model, data=DATA, runtime="python", settings=machine)
    done = register("m", model, data=DATA, runtime="python", trust="pickle", settings=machine)
    manifest: Manifest = done.manifest
    assert (manifest.format, manifest.trust) == ("joblib", "pickle")
    assert any("`trust: pickle`" in note for note in done.notes)
    assert pack(manifest.signature, DATA)["x"].dtype == np.float64


def test_code_that_only_this_process_knows_is_not_registered(machine: Machine) -> None:
    """A pickle names its code by module; what stands in a notebook or a script is in no other process."""
    local = type("Local", (Doubler,), {"__module__": "a_notebook"})
    module = types.ModuleType("a_notebook")
    module.Local = local  # type: ignore[attr-defined]
    sys.modules["a_notebook"] = module
    try:
        with pytest.raises(BadInput, match=r"does not load in a process of its own .*a_notebook"):
            register("m", local().fit(DATA, DATA["x"]), data=DATA, runtime="python", trust="pickle", settings=machine)
    finally:
        del sys.modules["a_notebook"]
    assert Registry(machine).versions("m") == ()
