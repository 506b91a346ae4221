"""Dashboards without a browser: one over a machine with a release, one over an empty home."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from seatrial.dashboard.house import House
from tests.harbour import Harbour
from tests.houses import TestClient, house_of, lived_in, visitor


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[House, Harbour]]:
    with lived_in(tmp_path_factory.mktemp("home")) as both:
        yield both


@pytest.fixture
def client(lived: tuple[House, Harbour]) -> Iterator[TestClient]:
    with visitor(lived[0]) as one:
        yield one


@pytest.fixture
def nobody(tmp_path: Path) -> Iterator[TestClient]:
    """Of a home where nothing is deployed."""
    harbour = Harbour(tmp_path)
    with visitor(house_of(tmp_path, harbour)) as one:
        yield one
    harbour.close()
