"""What the tests of control share: a machine in miniature."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harbour import Harbour


@pytest.fixture
def harbour(tmp_path: Path) -> Iterator[Harbour]:
    made = Harbour(tmp_path)
    yield made
    made.close()
