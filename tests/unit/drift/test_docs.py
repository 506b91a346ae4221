"""The Python of ``docs/drift.md`` runs, and its documented figures are the code's."""

import re
from pathlib import Path
from typing import Any

import pytest

from seatrial.drift.estimates import BLIND
from seatrial.watch.tables import APART

PAGE = (Path(__file__).parents[3] / "docs" / "drift.md").read_text("utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def test_there_are_examples() -> None:
    assert len(BLOCKS) >= 2


@pytest.mark.parametrize("block", BLOCKS, ids=range(len(BLOCKS)))
def test_every_example_runs(block: str) -> None:
    names: dict[str, Any] = {}
    exec(block, names)
    assert names


def test_the_blind_spot_is_told_as_the_code_tells_it() -> None:
    assert "It sees other inputs coming, not the same inputs coming to mean something else" in " ".join(PAGE.split())
    assert BLIND.startswith("It sees other inputs coming, not the same inputs coming to mean something else")


def test_the_areas_of_an_embedding_are_the_codes() -> None:
    assert f"moderate from an AUC of {APART['moderate']:.3f}, major from {APART['major']:.3f}" in PAGE
