"""Schemathesis over the protocol's OpenAPI: what is sent is bounded, what comes is what the file says."""

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from ruamel.yaml import YAML
from schemathesis import checks

from tests.edges import edge
from tests.gateways import bench, snapshot

FILE = Path(__file__).parents[2] / "docs" / "open-inference.yaml"
SAID: dict[str, Any] = YAML(typ="safe", pure=True).load(FILE.read_text())

SERVED = {"model": ["churn", "nobody"], "version": ["churn:1", "2", "9"]}
"""What the gateway of these tests serves, and what it does not: free texts would never meet a deployment."""


def _asking_for(served: dict[str, list[str]]) -> dict[str, Any]:
    """The file with its path parameters narrowed to what a gateway serves."""
    narrowed = copy.deepcopy(SAID)
    for name, parameter in narrowed["components"]["parameters"].items():
        parameter["schema"]["enum"] = served[name]
        del parameter["example"]
    return narrowed


schema = schemathesis.openapi.from_dict(_asking_for(SERVED))
anybody = schemathesis.openapi.from_dict(SAID)


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with bench(tmp_path_factory.mktemp("home")) as here:
        here.serve(snapshot())
        with edge(here) as served:
            yield f"http://127.0.0.1:{served.port}"


@schema.parametrize()
@settings(
    max_examples=15,
    deadline=None,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=list(HealthCheck),
)
def test_every_answer_is_one_that_the_file_says(case: Any, url: str) -> None:
    _ask(case, url)


@anybody.parametrize()
@settings(
    max_examples=5,
    deadline=None,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=list(HealthCheck),
)
def test_every_answer_about_any_name_is_one_that_the_file_says(case: Any, url: str) -> None:
    _ask(case, url)


def test_the_shipped_file_is_about_any_deployment() -> None:
    parameters = SAID["components"]["parameters"]
    assert set(parameters) == set(SERVED)
    for name, parameter in parameters.items():
        assert set(parameter["schema"]) == {"type", "minLength"}, name


def _ask(case: Any, url: str) -> None:
    response = case.call(base_url=url, timeout=30)
    case.validate_response(
        response,
        checks=[
            checks.not_a_server_error,
            *(checks.CHECKS.get_by_names(["status_code_conformance", "content_type_conformance"])),
            *(checks.CHECKS.get_by_names(["response_schema_conformance"])),
        ],
    )
