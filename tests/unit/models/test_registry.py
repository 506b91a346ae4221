"""The registry: names, aliases, digests, and that it is MLflow's own."""

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from seatrial.models.artefact import digest_of
from seatrial.models.register import Registered, register
from seatrial.models.registry import Registry
from seatrial.models.runtimes import RuntimeFailure, load
from seatrial.spec.errors import BadInput, NotFound, SeatrialError
from tests.unit.models.conftest import Machine

DATA = pd.DataFrame({"a": [0.0, 1.0, 2.0, 3.0], "b": [1.0, 0.0, 1.0, 0.0]})


def registered(machine: Machine, alias: str | None = None, name: str = "m") -> Registered:
    model = LogisticRegression().fit(DATA, [0, 0, 1, 1])
    return register(name, model, data=DATA, alias=alias, settings=machine, clock=lambda: 1_700_000_000_000_000)


def test_the_first_version_of_a_name_is_its_champion_and_the_next_is_not(machine: Machine) -> None:
    first, second = registered(machine), registered(machine, alias="challenger")
    assert first.aliases == ("champion",)
    assert any("its first version got the alias 'champion'" in note for note in first.notes)
    assert second.aliases == ("challenger",)
    registry = Registry(machine)
    assert registry.resolve("models:/m@champion") == ("m", 1)
    assert registry.resolve("models:/m@challenger") == ("m", 2)
    assert registry.resolve("models:/m/2") == ("m", 2)
    registry.set_alias("m", "champion", 2)
    assert registry.aliases("m") == {"champion": 2, "challenger": 2}
    assert [v.aliases for v in registry.list()] == [("challenger", "champion"), ()]


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("models:/m@chief", r"no alias 'chief'; it has: champion \(version 1\)"),
        ("models:/m/7", "no version 7; its newest is 1"),
        ("models:/n@champion", "no model called 'n' in the registry. It has: m"),
    ],
)
def test_what_does_not_exist_is_named_with_what_does(uri: str, said: str, machine: Machine) -> None:
    registered(machine)
    with pytest.raises(NotFound, match=said):
        Registry(machine).resolve(uri)


@pytest.mark.parametrize("uri", ["m@champion", "models:/m", "models:/m/newest", "models:/a/b/c", ""])
def test_a_uri_of_another_form_is_bad_input(uri: str, machine: Machine) -> None:
    with pytest.raises(BadInput, match=r"models:/(name|m)@"):
        Registry(machine).resolve(uri)


@pytest.mark.parametrize("alias", ["two words", "latest", "v1", ""])
def test_an_alias_that_cannot_be_one_is_refused_before_there_is_a_version(alias: str, tmp_path: Path) -> None:
    machine = Machine(tmp_path / "nowhere")
    with pytest.raises(BadInput, match="cannot be an alias"):
        registered(machine, alias=alias)
    assert not machine.home.exists()


@pytest.mark.parametrize("parity", [-1.0, float("nan"), float("inf")])
def test_a_parity_that_bounds_nothing_is_refused(parity: float, machine: Machine) -> None:
    model = LogisticRegression().fit(DATA, [0, 0, 1, 1])
    with pytest.raises(BadInput, match="bounds nothing"):
        register("m", model, data=DATA, parity=parity, settings=machine)


def test_a_name_that_cannot_be_one_is_refused(machine: Machine) -> None:
    with pytest.raises(BadInput, match="cannot name a model"):
        registered(machine, name="a/b'c")


def test_the_store_is_addressed_by_content_and_filled_once(machine: Machine) -> None:
    done = registered(machine)
    registry, store = Registry(machine), machine.home / "store"
    digest, directory = registry.materialise("m", 1, store)
    assert digest == done.digest == digest_of(directory)
    stamp = (directory / "manifest.json").stat().st_mtime_ns
    assert registry.materialise("m", 1, store) == (digest, directory)
    assert (directory / "manifest.json").stat().st_mtime_ns == stamp
    assert [path.name for path in store.iterdir()] == [digest]


def test_files_that_are_not_those_registered_are_refused(machine: Machine) -> None:
    registered(machine)
    (model,) = (machine.home / "registry").rglob("model.onnx")
    model.write_bytes(b"something else")
    with pytest.raises(SeatrialError, match="are not those that were registered"):
        Registry(machine).materialise("m", 1, machine.home / "store")
    assert not any(path.suffix == ".onnx" for path in (machine.home / "store").rglob("*"))


def test_show_gives_the_manifest(machine: Machine) -> None:
    registered(machine)
    version, manifest = Registry(machine).show("m", 1)
    assert version.aliases == ("champion",)
    assert version.created_at > 10**15
    assert manifest.lineage.registered_at == "2023-11-14T22:13:20Z"
    assert manifest.lineage.parameters["C"] == "1.0"


def test_mlflow_itself_sees_version_alias_run_and_flavour(machine: Machine) -> None:
    registered(machine)
    with Registry(machine)._client() as client:
        found = client.get_model_version_by_alias("m", "champion")
        run = client.get_run(found.run_id)
        assert run.data.params["C"] == "1.0"
        files = {file.path for file in client.list_artifacts(found.run_id, "model")}
    assert {"model/MLmodel", "model/manifest.json", "model/model.onnx"} <= files


def test_mlflow_loads_it_by_alias(machine: Machine) -> None:
    registered(machine)
    program = f"""
import warnings; warnings.simplefilter("ignore")
import mlflow, numpy
mlflow.set_tracking_uri("sqlite:///{machine.home}/registry.db")
model = mlflow.onnx.load_model("models:/m@champion")
print([output.name for output in model.graph.output])
"""
    environment = {"MLFLOW_DISABLE_TELEMETRY": "true", "PATH": "/usr/bin:/bin", "HOME": str(machine.home)}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment, timeout=120)
    assert done.stdout.strip().endswith("['label', 'probabilities']"), done.stderr[-2000:]


def test_servers_load_no_training_library() -> None:
    heavy = ["mlflow", "sklearn", "pandas", "onnx", "skl2onnx", "sqlalchemy", "pydantic", "lightgbm", "xgboost"]
    program = (
        "import sys, seatrial.models.manifest, seatrial.models.runtimes, seatrial.models.python_runtime;"
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"


def test_a_closed_runtime_says_so_and_a_broken_file_too(machine: Machine) -> None:
    registered(machine)
    _, directory = Registry(machine).materialise("m", 1, machine.home / "store")
    runtime = load(directory)
    runtime.close()
    runtime.close()
    with pytest.raises(RuntimeFailure, match="was closed"):
        runtime.run({})
    (directory / "model.onnx").write_bytes(b"broken")
    with pytest.raises(RuntimeFailure, match="does not load"):
        load(directory)
