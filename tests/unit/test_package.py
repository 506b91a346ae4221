"""What ``import seatrial`` gives, and what it costs."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import seatrial
from seatrial.spec.errors import NotFound
from seatrial.spec.read import SpecError
from seatrial.spec.settings import load_settings

HEAVY = (
    "numpy",
    "pandas",
    "sqlalchemy",
    "mlflow",
    "duckdb",
    "pyarrow",
    "onnxruntime",
    "pydantic",
    "aiohttp",
    "requests",
    "asyncio",
)


def test_every_name_it_promises_is_there() -> None:
    for name in seatrial.__all__:
        assert getattr(seatrial, name) is not None
    assert set(seatrial.__all__) <= set(dir(seatrial))


def test_names_are_the_rooms_own() -> None:
    from seatrial.client import AsyncClient, Client
    from seatrial.control.from_file import apply
    from seatrial.models.register import register

    assert (seatrial.Client, seatrial.AsyncClient) == (Client, AsyncClient)
    assert (seatrial.apply, seatrial.register) == (apply, register)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'registre'"):
        seatrial.registre  # noqa: B018


def test_importing_it_loads_nothing_heavy() -> None:
    program = f"import json, sys, seatrial; print(json.dumps([m for m in {HEAVY!r} if m in sys.modules]))"
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert json.loads(said.stdout) == []


def test_apply_reads_a_path_or_a_text(tmp_path: Path) -> None:
    settings = load_settings({"SEATRIAL_HOME": str(tmp_path / "home")}, tmp_path)
    text = "deployment: nothing\nvariants:\n  champion: {model: 'models:/nowhere@champion'}\n"
    file = tmp_path / "nothing.yaml"
    file.write_text(text)
    for given in (text, file, str(file)):
        with pytest.raises(NotFound, match="nowhere"):
            seatrial.apply(given, settings=settings)


def test_apply_names_the_file_that_is_missing_or_wrong(tmp_path: Path) -> None:
    settings = load_settings({"SEATRIAL_HOME": str(tmp_path / "home")}, tmp_path)
    with pytest.raises(NotFound, match=r"there is no file .*gone\.yaml"):
        seatrial.apply(tmp_path / "gone.yaml", settings=settings)
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("deployment: a\nvariant: {}\n")
    with pytest.raises(SpecError, match=r"wrong\.yaml"):
        seatrial.apply(str(wrong), settings=settings)
