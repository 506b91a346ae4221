"""Model files: what is accepted, and the sentence for what is not a model."""

import json
import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import joblib
import lightgbm
import numpy as np
import pandas as pd
import pytest
import skops.io
import xgboost
from onnx import TensorProto, helper, numpy_helper
from sklearn.linear_model import LinearRegression, LogisticRegression

from seatrial.models import preparing
from seatrial.models.register import register
from seatrial.models.registry import Registry
from seatrial.models.runtimes import load
from seatrial.protocol.answers import Answers
from seatrial.spec.errors import BadInput, NotFound
from tests.unit.models.conftest import Machine

RNG = np.random.default_rng(1)
DATA = pd.DataFrame(RNG.normal(size=(200, 3)), columns=["a", "b", "c"])
TRUTH = (DATA["a"] > 0).astype(int)


def estimator() -> Any:
    return LogisticRegression().fit(DATA, TRUTH)


def write(path: Path) -> None:
    """A model file of the kind that the suffix says."""
    if path.suffix == ".skops":
        skops.io.dump(estimator(), path)
    elif path.suffix == ".joblib":
        joblib.dump(estimator(), path)
    elif path.suffix == ".pkl":
        path.write_bytes(pickle.dumps(estimator()))
    elif path.suffix == ".txt":
        lightgbm.LGBMClassifier(n_estimators=3, verbose=-1).fit(DATA, TRUTH).booster_.save_model(path)
    else:
        xgboost.XGBClassifier(n_estimators=3).fit(DATA, TRUTH).get_booster().save_model(path)


@pytest.mark.parametrize("suffix", [".skops", ".joblib", ".pkl", ".txt", ".json", ".ubj"])
def test_model_files_register(suffix: str, tmp_path: Path, machine: Machine) -> None:
    path = tmp_path / f"model{suffix}"
    write(path)
    trust = "pickle" if suffix in (".joblib", ".pkl") else None
    done = register("m", path, data=DATA.assign(y=TRUTH), target="y", trust=trust, settings=machine)
    assert done.manifest.runtime == "onnx"
    assert done.manifest.trust == "none"
    assert done.manifest.signature.answer.classes == (0, 1)


@pytest.mark.parametrize("suffix", [".joblib", ".pkl"])
def test_a_pickle_needs_to_be_trusted(suffix: str, tmp_path: Path, machine: Machine) -> None:
    path = tmp_path / f"model{suffix}"
    write(path)
    with pytest.raises(BadInput, match="runs code when loaded; if you trust it, add --trust pickle"):
        register("m", path, data=DATA, settings=machine)


SENTENCES = {
    "bad.onnx": "is not an ONNX model",
    "bad.skops": "is not a skops file",
    "bad.txt": "is not a LightGBM model",
    "bad.json": "is not an XGBoost model",
    "bad.joblib": "cannot be unpickled",
    "bad.doc": "no model file that seatrial knows; it knows .onnx",
}


@pytest.mark.parametrize("name", SENTENCES)
def test_a_file_that_is_not_a_model_is_one_sentence(name: str, tmp_path: Path, machine: Machine) -> None:
    (tmp_path / name).write_text("hello")
    with pytest.raises(BadInput, match=SENTENCES[name]) as caught:
        register("m", tmp_path / name, data=DATA, trust="pickle", settings=machine)
    assert "\n" not in str(caught.value)
    assert Registry(machine).list() == ()


def test_what_does_not_exist_is_said(tmp_path: Path, machine: Machine) -> None:
    with pytest.raises(NotFound, match="no model file"):
        register("m", tmp_path / "none.onnx", data=DATA, settings=machine)
    with pytest.raises(BadInput, match="of type 'dict' is no model"):
        register("m", {}, data=DATA, settings=machine)
    with pytest.raises(BadInput, match="is not fitted"):
        register("m", LogisticRegression(), data=DATA, settings=machine)


@pytest.mark.parametrize(
    ("holdout", "said"),
    [
        (DATA.assign(y="high"), "The holdout's 'y' holds no numbers"),
        (DATA, "'y' is not a column of the holdout"),
        (DATA[:0].assign(y=1.0), "The holdout has no rows"),
        (DATA[["a", "b"]].assign(y=1.0), "The holdout does not fit the model"),
        (pd.concat([DATA, DATA], axis=1), "two columns called 'a'"),
    ],
)
def test_a_holdout_that_is_none_is_called_so(holdout: pd.DataFrame, said: str, machine: Machine) -> None:
    model = LinearRegression().fit(DATA, TRUTH)
    with pytest.raises(BadInput, match=said):
        register("m", model, data=DATA.assign(y=TRUTH), target="y", holdout=holdout, settings=machine)
    assert Registry(machine).versions("m") == ()


def linear(width: int) -> Any:
    """An ONNX model: three columns times a matrix of ones."""
    ones = numpy_helper.from_array(np.ones((3, width), dtype=np.float32), "ones")
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 3])]
    outputs = [helper.make_tensor_value_info("z", TensorProto.FLOAT, [None, width])]
    graph = helper.make_graph([helper.make_node("MatMul", ["x", "ones"], ["z"])], "linear", inputs, outputs, [ones])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)


def test_one_score_that_is_no_probability_names_no_label(machine: Machine) -> None:
    with pytest.raises(BadInput, match="end it in a sigmoid"):
        register("m", linear(1), data=DATA, task="classification", settings=machine)


def test_an_onnx_model_of_several_values_is_no_regression_but_raw(machine: Machine) -> None:
    data = DATA.assign(y=TRUTH)
    with pytest.raises(BadInput, match="predicts 2 values at once"):
        register("m", linear(2), data=data, target="y", task="regression", settings=machine)
    done = register("m", linear(2), data=data, target="y", task="raw", holdout=data, settings=machine)
    assert done.manifest.lineage.metrics == {}


def ranker() -> Any:
    """An ONNX model: the two greatest of three columns, by the names of three items."""
    constants = [
        numpy_helper.from_array(np.array([2], dtype=np.int64), "two"),
        numpy_helper.from_array(np.array(["oar", "boat", "rope"], dtype=object), "names"),
    ]
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 3])]
    outputs = [
        helper.make_tensor_value_info("score", TensorProto.FLOAT, [None, 2]),
        helper.make_tensor_value_info("item", TensorProto.STRING, [None, 2]),
    ]
    nodes = [
        helper.make_node("TopK", ["x", "two"], ["score", "place"]),
        helper.make_node("Gather", ["names", "place"], ["item"]),
    ]
    graph = helper.make_graph(nodes, "ranker", inputs, outputs, constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)


def test_an_onnx_ranking_is_served_as_items_and_scores(machine: Machine) -> None:
    done = register("m", ranker(), data=DATA, task="ranking", settings=machine)
    signature = done.manifest.signature
    assert (signature.task, signature.answer.prediction, signature.answer.scores) == ("ranking", "item", "score")
    _, directory = Registry(machine).materialise("m", 1, machine.home / "store")
    runtime = load(directory)
    outputs = runtime.run({"x": np.array([[1, 5, 3], [9, 0, 8]], dtype=np.float32)})
    first, second = Answers(signature).read(outputs, 2).answers
    assert first["prediction"] == [{"item": "boat", "score": 5.0}, {"item": "rope", "score": 3.0}]
    assert second["prediction"] == [{"item": "oar", "score": 9.0}, {"item": "rope", "score": 8.0}]
    runtime.close()


def test_a_ranking_of_scores_alone_is_refused(machine: Machine) -> None:
    with pytest.raises(BadInput, match=r"A ranking gives items and their scores.* the model gives z FP32"):
        register("m", linear(2), data=DATA, task="ranking", settings=machine)


def test_a_torch_program_without_torch_names_the_install(tmp_path: Path, machine: Machine) -> None:
    try:
        import torch  # noqa: F401
    except ImportError:
        (tmp_path / "m.pt2").write_text("x")
        with pytest.raises(BadInput, match="pip install torch"):
            register("m", tmp_path / "m.pt2", data=DATA, trust="pickle", settings=machine)


def torch_or_skip() -> Any:
    torch = pytest.importorskip("torch", reason="PyTorch is the caller's; not installed here, so not tested here")
    pytest.importorskip("onnxscript", reason="PyTorch's exporter needs onnxscript")
    return torch


def test_a_live_torch_module_and_an_exported_program(tmp_path: Path, machine: Machine) -> None:
    torch = torch_or_skip()
    torch.manual_seed(1)
    module = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.Softmax(dim=1)).eval()
    batch = torch.export.Dim("batch")
    program = torch.export.export(module, (torch.zeros((2, 3)),), dynamic_shapes=({0: batch},))
    torch.export.save(program, tmp_path / "net.pt2")
    rows = DATA.to_numpy("float32").copy()
    expected = module(torch.from_numpy(rows)).detach().numpy()
    for model in (module, tmp_path / "net.pt2"):
        data = DATA.assign(y=TRUTH)
        done = register("net", model, data=data, target="y", task="classification", trust="pickle", settings=machine)
        assert done.manifest.parity is not None
        assert (done.manifest.parity.rows, done.manifest.trust) == (len(DATA), "none")
        signature = done.manifest.signature
        assert signature.inputs[0].features == ("a", "b", "c")
        _, directory = Registry(machine).materialise("net", done.version, machine.home / "store")
        found = load(str(directory)).run({signature.inputs[0].name: rows})
        assert np.abs(found[signature.answer.scores] - expected).max() < 1e-6


def test_a_torch_module_says_with_an_example_what_it_takes(machine: Machine) -> None:
    torch = torch_or_skip()

    class Image(torch.nn.Module):  # type: ignore[name-defined,misc]
        def __init__(self) -> None:
            super().__init__()
            self.look = torch.nn.Conv2d(1, 2, 2)
            self.end = torch.nn.Linear(8, 1)

        def forward(self, image: Any) -> Any:
            return self.end(torch.relu(self.look(image)).flatten(1)).squeeze(1)

    rows = np.random.default_rng(3).random((50, 9)).astype("float32")
    pixels = pd.DataFrame(rows, columns=[f"p{i}" for i in range(9)])
    torch.manual_seed(2)
    module = Image()
    done = register("image", module, data=pixels, task="regression", example=torch.zeros(1, 1, 3, 3), settings=machine)
    assert done.manifest.signature.inputs[0].shape == (-1, 1, 3, 3)
    _, directory = Registry(machine).materialise("image", done.version, machine.home / "store")
    shaped = rows.reshape(-1, 1, 3, 3)
    found = load(str(directory)).run({done.manifest.signature.inputs[0].name: shaped})
    expected = module(torch.from_numpy(shaped)).detach().numpy()
    assert np.abs(next(iter(found.values())).ravel() - expected).max() < 1e-5


def test_a_torch_module_of_several_inputs_names_its_columns(machine: Machine) -> None:
    torch = torch_or_skip()

    class Two(torch.nn.Module):  # type: ignore[name-defined,misc]
        def __init__(self) -> None:
            super().__init__()
            self.places = torch.nn.Embedding(5, 3)
            self.end = torch.nn.Linear(7, 1)

        def forward(self, place: Any, vector: Any) -> Any:
            return self.end(torch.cat([self.places(place), vector], dim=1)).squeeze(1)

    rng = np.random.default_rng(4)
    data = pd.DataFrame({"place": rng.integers(0, 5, 60), "vector": list(rng.random((60, 4)).astype("float32"))})
    torch.manual_seed(2)
    module = Two()
    example = (np.zeros(2, dtype="int64"), torch.zeros(2, 4))
    done = register("two", module, data=data, task="regression", example=example, settings=machine)
    assert [tensor.features for tensor in done.manifest.signature.inputs] == [("place",), ("vector",)]
    assert done.manifest.parity is not None
    assert done.manifest.parity.worst_relative < 1e-4


@pytest.mark.parametrize(
    ("example", "says"),
    [("a row", "holds a str"), (np.zeros(()), r"of shape \[\]"), ((np.zeros(2), np.zeros(3)), r"\[2, 3\] rows")],
)
def test_an_example_that_is_none_is_refused(machine: Machine, example: object, says: str) -> None:
    torch = torch_or_skip()
    with pytest.raises(BadInput, match=says):
        register("net", torch.nn.Linear(3, 1), data=DATA, task="regression", example=example, settings=machine)


def test_an_example_for_a_model_that_is_not_pytorchs_is_refused(machine: Machine) -> None:
    with pytest.raises(BadInput, match="An example input is for PyTorch modules"):
        register("net", linear(3), data=DATA, task="regression", example=np.zeros((2, 3)), settings=machine)


def test_a_torch_module_that_is_exported_wrongly_is_refused_and_left_as_it_was(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch = torch_or_skip()
    module = torch.nn.Sequential(torch.nn.Linear(3, 1), torch.nn.Dropout(0.5)).train()
    monkeypatch.setattr(preparing, "torch_to_onnx", lambda *_: linear(1).SerializeToString())
    with pytest.raises(BadInput, match="does not answer as the original: on 200 rows values differ"):
        register("net", module, data=DATA, task="regression", settings=machine)
    assert module.training


def hostile_program(torch: Any, path: Path, mark: Path) -> None:
    """An exported program whose weights are a pickle that leaves a mark."""
    example = (torch.zeros((2, 3)),)
    torch.export.save(torch.export.export(torch.nn.Linear(3, 1), example), path)
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    (config,) = (name for name in files if name.endswith("weights_config.json"))
    weights = json.loads(files[config])
    for entry in weights["config"].values():
        entry["use_pickle"] = True
        files[f"{config.rpartition('/')[0]}/{entry['path_name']}"] = pickle.dumps(Mark(mark))
    files[config] = json.dumps(weights).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)


class Mark:
    """Makes a directory when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


def test_a_hostile_torch_program_runs_only_where_it_is_trusted(tmp_path: Path, machine: Machine) -> None:
    torch = torch_or_skip()
    hostile_program(torch, tmp_path / "net.pt2", tmp_path / "mark")
    with pytest.raises(BadInput, match="may hold pickles"):
        register("net", tmp_path / "net.pt2", data=DATA, task="regression", settings=machine)
    assert not (tmp_path / "mark").exists()
    with pytest.raises(BadInput):
        register("net", tmp_path / "net.pt2", data=DATA, task="regression", trust="pickle", settings=machine)
    assert (tmp_path / "mark").exists(), "it would have run"


def test_an_onnx_file_and_an_mlflow_uri(machine: Machine) -> None:
    data = DATA.assign(y=TRUTH)
    first = register("m", estimator(), data=data, target="y", settings=machine)
    _, directory = Registry(machine).materialise("m", 1, machine.home / "store")
    for source in (directory / "model.onnx", first.uri, "models:/m@champion"):
        done = register("copy", source, data=data, target="y", holdout=data, settings=machine)
        assert done.manifest.signature.task == "classification"
        assert done.manifest.signature.answer.classes == (0, 1)
        assert done.manifest.lineage.metrics["accuracy"] == estimator().score(DATA, TRUTH)
    with pytest.raises(BadInput, match="takes 3 columns and the reference data has 4"):
        register("copy", directory / "model.onnx", data=data, settings=machine)
    with pytest.raises(BadInput, match="leave --runtime python out"):
        register("copy", directory / "model.onnx", data=DATA, runtime="python", settings=machine)


def test_a_version_that_others_registered_is_told_how_to_register(machine: Machine) -> None:
    registry = Registry(machine)
    register("m", estimator(), data=DATA, settings=machine)
    with registry._client() as client:
        client.create_registered_model("foreign")
        client.create_model_version("foreign", source=str(machine.home))
    with pytest.raises(BadInput, match=r"was not registered by seatrial.*seatrial register foreign models:/foreign/1"):
        registry.materialise("foreign", 1, machine.home / "store")
