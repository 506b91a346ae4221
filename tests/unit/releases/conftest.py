"""A state on SQLite and, where its server's binaries are there, on a PostgreSQL started for the tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from seatrial.releases.state import State
from tests.postgresql import new_database, postgresql

__all__ = ["postgresql"]


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """URL of an empty state, of both kinds in turn."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'state.db'}"
    return new_database(request.getfixturevalue("postgresql"))


@pytest.fixture
def state(url: str) -> Iterator[State]:
    with State(url) as opened:
        yield opened
