"""Routing rules at the gateway: what they read, what they leave alone, and how their failures are counted."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from seatrial.protocol.bodies import AppPrediction, AssignBody
from seatrial.protocol.inference import InferBody, InferInput
from seatrial.routing.rules.naming import names_of
from seatrial.routing.rules.parsing import parse_rule
from seatrial.routing.snapshot import Entry
from seatrial.spec.deployment import ContextField
from seatrial.spec.errors import BadInput
from tests.gateways import BINARY, GOOD, Bench, ContextKey, bench, snapshot

NAMES = names_of(BINARY.features, {"segment": ContextField(kind="string", optional=True)})


def entry(name: str, when: str | None, to: str) -> Entry:
    return Entry(name=name, when=None if when is None else parse_rule(when, NAMES), to=to)


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Bench]:
    with bench(tmp_path) as found:
        found.serve(
            snapshot(
                context=(ContextKey("segment", "string", True),),
                entries=(
                    entry("gold", 'context.segment == "gold"', "challenger"),
                    entry("rich", "features.income > 5000", "challenger"),
                    entry("rest", None, "champion"),
                ),
            )
        )
        yield found


def failures(here: Bench, name: str) -> str | None:
    wanted = f'seatrial_rule_failures_total{{deployment="churn",entry="{name}"}}'
    return next((line.split()[-1] for line in here.gateway.metrics().splitlines() if line.startswith(wanted)), None)


def decided(here: Bench, **more: Any) -> Any:
    body = {"features": GOOD, "unit": "u", **more}
    return asyncio.run(here.gateway.predict("churn", **body))


def test_rules_read_features_and_context(here: Bench) -> None:
    assert decided(here)["variant"] == "champion"
    assert decided(here, context={"segment": "gold"})["variant"] == "challenger"
    assert decided(here, features={**GOOD, "income": 6000.0})["variant"] == "challenger"
    rows = here.rows()
    assert sorted(row["entry"] for row in rows) == ["gold", "rest", "rich"]
    assert {row["reason"] for row in rows} == {"rule"}


def test_a_failing_rule_is_counted_and_the_request_goes_on(here: Bench) -> None:
    assert decided(here, features={**GOOD, "income": None})["variant"] == "champion"
    assert failures(here, "rich") == "1"
    assert failures(here, "gold") == "1"
    assert decided(here, context={"segment": "silver"})["variant"] == "champion"
    assert failures(here, "gold") == "1"


def test_a_value_of_the_wrong_kind_is_refused_as_ever(here: Bench) -> None:
    with pytest.raises(BadInput, match="feature 'income': expected a number"):
        decided(here, features={**GOOD, "income": "much"})


def test_the_quick_way_is_for_deployments_without_rules(here: Bench) -> None:
    assert here.gateway.find("churn").quick is None


def test_instances_are_routed_by_their_own_features(here: Bench) -> None:
    poor, rich = {"features": GOOD}, {"features": {**GOOD, "income": 9000.0}}
    answer = decided(here, features=None, instances=[poor, rich, poor])
    assert [one["variant"] for one in answer["predictions"]] == ["champion", "challenger", "champion"]
    named = decided(here, features=None, instances=[poor, rich], variant="champion")
    assert named["variant"] == "champion"


def test_one_inference_is_of_one_version(here: Bench) -> None:
    def body(*incomes: float) -> InferBody:
        n = len(incomes)
        columns = {"age": ("FP64", [40.0] * n), "income": ("FP64", list(incomes)), "country": ("BYTES", ["FR"] * n)}
        inputs = [InferInput(name, [n], kind, data=data) for name, (kind, data) in columns.items()]
        return InferBody(inputs=inputs)

    answer = asyncio.run(here.gateway.infer("churn", body(6000.0, 7000.0)))
    assert answer.parameters["variant"] == "challenger"  # type: ignore[union-attr]
    with pytest.raises(BadInput, match=r"go to 'champion' \(entry 'rest'\) and to 'challenger' \(entry 'rich'\)"):
        asyncio.run(here.gateway.infer("churn", body(1.0, 7000.0)))
    forced = asyncio.run(here.gateway.infer("churn", body(1.0, 7000.0), version="champion"))
    assert forced.parameters["variant"] == "champion"  # type: ignore[union-attr]


def test_assign_and_its_row_decide_by_the_same_features(here: Bench) -> None:
    features = {"income": 6000.0}
    found = here.gateway.assign("churn", AssignBody(unit="u", features=features, request_id="r"))
    assert found["variant"] == "challenger"
    given = AppPrediction(
        deployment="churn", request_id="r", variant="challenger", unit="u", features={**GOOD, **features}, prediction=1
    )
    here.gateway.log_predictions([given])
    (row,) = here.rows()
    assert (row["entry"], row["reason"], row["role"]) == ("rich", "rule", "app")


def test_assign_says_which_feature_a_rule_needs(tmp_path: Path) -> None:
    with bench(tmp_path) as here:
        entries = (
            entry("young", "features.age < 30 && has(features.income)", "challenger"),
            entry("rest", None, "champion"),
        )
        here.serve(snapshot(entries=entries))
        with pytest.raises(BadInput, match="feature 'age' is missing and not nullable, and a routing rule reads it"):
            here.gateway.assign("churn", AssignBody(unit="u"))
        assert here.gateway.assign("churn", AssignBody(unit="u", features={"age": 20}))["variant"] == "champion"
        young = {"age": 20, "income": 1}
        assert here.gateway.assign("churn", AssignBody(unit="u", features=young))["variant"] == "challenger"
