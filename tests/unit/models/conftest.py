"""What the tests of models share: a registry in a fresh home, and the digits."""

from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pytest
from sklearn.datasets import load_digits

from tests.registries import give_registry


class Machine(NamedTuple):
    """The settings that models need."""

    home: Path
    registry_url: str | None = None


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    give_registry(tmp_path / "home")
    return Machine(tmp_path / "home")


@pytest.fixture(scope="session")
def digits() -> pd.DataFrame:
    frame = load_digits(as_frame=True).frame
    return frame.rename(columns={"target": "digit"})
