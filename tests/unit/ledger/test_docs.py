"""The Python on the ledger's page runs as it stands there."""

import re
from pathlib import Path

import pytest

from tests.ledger_events import compacted, write_rows

PAGE = Path(__file__).parents[3] / "docs" / "ledger.md"
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)


def test_there_are_examples() -> None:
    assert len(BLOCKS) == 3


@pytest.mark.parametrize("block", BLOCKS)
def test_an_example_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: str) -> None:
    if "polars" in block:
        pytest.importorskip("polars")
    monkeypatch.chdir(tmp_path)
    write_rows(tmp_path / ".seatrial", range(3))
    compacted(tmp_path / ".seatrial")
    exec(compile(block, "docs/ledger.md", "exec"), {})
