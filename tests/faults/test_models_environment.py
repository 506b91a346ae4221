"""A model in an environment of its own: proved there, isolated, built again on a host that lacks it, or refused."""

import importlib
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from seatrial.control.apply import apply
from seatrial.models.python_runtime import PythonRuntime
from seatrial.models.register import Registered, register
from seatrial.models.registry import Registry
from seatrial.models.runtimes import load
from seatrial.spec.errors import BadInput
from seatrial.spec.settings import Settings, load_settings
from tests.wheels import write_wheel

pytestmark = [pytest.mark.processes, pytest.mark.timeout(600)]

HOSTS = ("numpy", "pandas", "scikit-learn", "joblib", "msgspec")
"""Packages that are taken in the versions of this environment: those are the quickest to have."""

SOURCE = """
from sklearn.linear_model import LinearRegression

FATHOM = {fathom}

class Sounding(LinearRegression):
    def predict(self, rows):
        return FATHOM * super().predict(rows)
"""
DATA = pd.DataFrame({"rope": np.linspace(1.0, 50.0, 40)})
DEPLOYMENT = """
deployment: soundings
variants: {champion: {model: "models:/soundings/1", trust: pickle, timeout: 20s}}
"""


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two versions of the package that the model's class is in: the second counts otherwise."""
    directory = tmp_path_factory.mktemp("wheels")
    for number, fathom in (("1.0", 1.8288), ("2.0", 2.0)):
        write_wheel(directory, "soundings", number, SOURCE.format(fathom=fathom), requires=("scikit-learn",))
    return directory


@pytest.fixture
def model(tmp_path: Path, wheels: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A model of the first version, which only this process can import, from a directory that no other one looks in."""
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "soundings.py").write_text(SOURCE.format(fathom=1.8288))
    monkeypatch.syspath_prepend(str(tmp_path / "here"))
    monkeypatch.delitem(sys.modules, "soundings", raising=False)
    monkeypatch.setenv("UV_FIND_LINKS", str(wheels))
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))
    monkeypatch.chdir(tmp_path)
    return importlib.import_module("soundings").Sounding().fit(DATA, DATA["rope"] * 3.0)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings({"SEATRIAL_HOME": str(tmp_path / "home")}, tmp_path)


def requirements(tmp_path: Path, number: str) -> Path:
    """A file that pins the package."""
    path = tmp_path / f"requirements-{number}.txt"
    path.write_text("\n".join([f"soundings=={number}", *(f"{name}=={version(name)}" for name in HOSTS)]))
    return path


def registered(model: Any, settings: Settings, env: Path) -> Registered:
    """The model's first version; skips aloud where the index has not got the packages."""
    try:
        return register("soundings", model, data=DATA, runtime="python", trust="pickle", env=env, settings=settings)
    except BadInput as error:
        if "cannot be built" in str(error):
            pytest.skip(f"the package index of this host does not answer: {error}")
        raise


def test_a_model_is_proved_and_served_with_packages_of_its_own(model: Any, settings: Settings, tmp_path: Path) -> None:
    made = registered(model, settings, requirements(tmp_path, "1.0"))
    environment = made.manifest.environment
    assert environment is not None
    assert "soundings==1.0" in environment.packages
    assert any(note.startswith("Served in an environment of its own: ") for note in made.notes)

    digest, directory = Registry(settings).materialise("soundings", made.version, settings.home / "store")
    runtime = load(directory, "pickle")
    assert isinstance(runtime, PythonRuntime)
    try:
        assert np.allclose(runtime.run({"rope": np.array([2.0])})["prediction"], 1.8288 * 6.0)
        command = Path(f"/proc/{runtime.pid}/cmdline").read_bytes().decode().split("\0")
        assert command[0] == str(settings.home / "environments" / environment.digest / "bin" / "python")
        assert digest == made.digest
        alone = subprocess.run([sys.executable, "-I", "-c", "import soundings"], capture_output=True, check=False)
        assert b"No module named 'soundings'" in alone.stderr
    finally:
        runtime.close()

    shutil.rmtree(settings.home / "environments")  # as on a host that has never seen it
    assert apply(DEPLOYMENT, settings, actor="ada").published
    assert (settings.home / "environments" / environment.digest).is_dir()


def test_a_model_that_answers_otherwise_in_its_environment_is_refused(
    model: Any, settings: Settings, tmp_path: Path
) -> None:
    with pytest.raises(BadInput, match=r"answers otherwise in its environment: .*pin the versions that it was trained"):
        registered(model, settings, requirements(tmp_path, "2.0"))


def test_an_environment_is_for_the_python_runtime(model: Any, settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="add --runtime python"):
        register("soundings", model, data=DATA, env=tmp_path / "requirements.txt", settings=settings)
