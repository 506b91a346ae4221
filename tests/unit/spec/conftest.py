"""The full example of the docs, which every test of the room starts from."""

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[3] / "docs"


@pytest.fixture(scope="session")
def full_text() -> str:
    """The deployment file that holds every key that is built."""
    document = (DOCS / "deployment-file.md").read_text(encoding="utf-8")
    return max(re.findall(r"```yaml\n(.*?)```", document, re.DOTALL), key=len)
