"""Routing rules at the gateway: what they read, what they leave alone, and how their failures are counted."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from seatrial.protocol.bodies import AppPrediction, AssignBody
from seatrial.protocol.inference import InferBody, InferInput
from seatrial.routing.rules.naming import names_of
from seatrial.routing.rules.parsing import parse_rule
from seatrial.routing.snapshot import Arm, Entry
from seatrial.serving.inference import metadata
from seatrial.spec.deployment import ContextField
from seatrial.spec.errors import BadInput
from seatrial.spec.signature import Feature
from tests.gateways import BINARY, GOOD, Bench, ContextKey, bench, slot, snapshot

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


def test_the_quick_way_is_not_for_rules_that_read_what_a_request_carries(here: Bench) -> None:
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
        with pytest.raises(BadInput, match="feature 'age' is missing, which every version needs"):
            here.gateway.assign("churn", AssignBody(unit="u"))
        assert here.gateway.assign("churn", AssignBody(unit="u", features={"age": 20}))["variant"] == "champion"
        young = {"age": 20, "income": 1}
        assert here.gateway.assign("churn", AssignBody(unit="u", features=young))["variant"] == "challenger"


ANYBODY = msgspec.structs.replace(
    BINARY, features=tuple(msgspec.structs.replace(feature, nullable=True) for feature in BINARY.features)
)


def test_predict_and_assign_decide_alike_where_one_version_needs_no_feature(tmp_path: Path) -> None:
    with bench(tmp_path) as here:
        slots = (slot("champion", 1), slot("challenger", 2, ANYBODY))
        entries = (entry("newcomers", "!has(features.age)", "challenger"), entry("rest", None, "champion"))
        here.serve(snapshot(slots=slots, entries=entries))
        lacking = {"income": 1.0, "country": "FR"}
        assert decided(here, features=lacking)["variant"] == "challenger"
        assert here.gateway.assign("churn", AssignBody(unit="u", features=lacking))["variant"] == "challenger"
        assert here.gateway.assign("churn", AssignBody(unit="u"))["variant"] == "challenger"


def split_by_age() -> tuple[Entry, Entry]:
    arms = (Arm("champion", 0.5), Arm("challenger", 0.5))
    young = msgspec.structs.replace(entry("young", "features.age < 30", "champion"), to=None, arms=arms, salt="s")
    return young, entry("rest", None, "champion")


def app_row(told: Any, **more: Any) -> AppPrediction:
    names = ("request_id", "variant", "reason", "propensity", "revision")
    return AppPrediction(
        deployment="churn", unit="u1", prediction=1, **{name: told[name] for name in names if name in told}, **more
    )


def test_a_row_without_its_features_keeps_the_decision_that_its_revision_made(tmp_path: Path) -> None:
    with bench(tmp_path) as here:
        here.serve(snapshot(entries=split_by_age()))
        told = here.gateway.assign("churn", AssignBody(unit="u1", features={"age": 20.0, "income": None}))
        here.gateway.log_predictions([app_row(told)])
        (row,) = here.rows()
        assert (row["entry"], row["reason"], row["propensity"], row["contested"]) == ("young", "split", 0.5, True)
        assert failures(here, "young") is None


@pytest.mark.parametrize(
    "changes", [{"propensity": 0.25}, {"reason": "canary"}, {"revision": 9}, {"reason": "override"}]
)
def test_a_row_without_its_features_is_no_evidence_of_what_nobody_decided(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    with bench(tmp_path) as here:
        here.serve(snapshot(entries=split_by_age()))
        told = here.gateway.assign("churn", AssignBody(unit="u1", features={"age": 20.0}))
        here.gateway.log_predictions([app_row({**told, **changes})])
        (row,) = here.rows()
        assert (row["entry"], row["reason"], row["contested"]) == ("", "override", False)


def test_a_row_that_leaves_its_decision_open_is_refused_in_words(tmp_path: Path) -> None:
    with bench(tmp_path) as here:
        young, rest = split_by_age()
        old = msgspec.structs.replace(young, name="old", when=entry("old", "features.age > 60", "champion").when)
        here.serve(snapshot(entries=(young, old, rest)))
        told = here.gateway.assign("churn", AssignBody(unit="u1", features={"age": 20.0}))
        with pytest.raises(BadInput, match=r"read age, which the row lacks; so it is unknown whether entry 'young' or"):
            here.gateway.log_predictions([app_row(told)])
        with pytest.raises(BadInput, match=r"read age, which the row lacks; give them in its `features`, or the `revi"):
            here.gateway.log_predictions([app_row({**told, "revision": None})])
        here.gateway.log_predictions([app_row(told, features={**GOOD, "age": 20.0})])
        assert [row["entry"] for row in here.rows()] == ["young"]


def test_a_row_that_claims_no_decision_is_an_override(tmp_path: Path) -> None:
    with bench(tmp_path) as here:
        here.serve(snapshot(entries=split_by_age()))
        here.gateway.log_predictions([app_row({"request_id": "r", "variant": "champion"})])
        assert [row["reason"] for row in here.rows()] == ["override"]


def test_a_failure_is_counted_once_though_the_row_is_written_back(tmp_path: Path) -> None:
    with bench(tmp_path) as here:
        here.serve(
            snapshot(entries=(entry("rich", "features.income > 10", "challenger"), entry("rest", None, "champion")))
        )
        poor = {**GOOD, "income": None}
        told = here.gateway.assign("churn", AssignBody(unit="u1", features=poor))
        assert failures(here, "rich") == "1"
        here.gateway.log_predictions([app_row(told, features=poor)])
        assert failures(here, "rich") == "1"
        assert [row["entry"] for row in here.rows()] == ["rest"]


RICHER = msgspec.structs.replace(
    BINARY, features=(*BINARY.features, Feature(name="tenure", kind="number", nullable=True))
)
LONG = parse_rule("features.tenure > 24", names_of(RICHER.features, {}))


def inputs(**columns: tuple[str, list[int], list[Any]]) -> InferBody:
    return InferBody(inputs=[InferInput(name, shape, kind, data=data) for name, (kind, shape, data) in columns.items()])


def test_a_rule_on_what_only_a_challenger_takes_decides_alike_over_both_protocols(tmp_path: Path) -> None:
    with bench(tmp_path) as here:
        slots = (slot("champion", 1), slot("challenger", 2, RICHER))
        entries = (Entry(name="long", when=LONG, to="challenger"), entry("rest", None, "champion"))
        here.serve(snapshot(slots=slots, entries=entries))
        by_feature = {"age": ("FP64", [1], [40.0]), "income": ("FP64", [1], [2.0]), "country": ("BYTES", [1], ["FR"])}
        tensor = {"X": ("FP32", [1, 3], [40.0, 2.0, 1.0])}
        for tenure, expected in ((30.0, "challenger"), (3.0, "champion")):
            plainly = decided(here, features={**GOOD, "income": 2.0, "tenure": tenure})
            assert plainly["variant"] == expected
            beside = ("FP64", [1], [tenure])
            for own in (by_feature, tensor):
                answer = asyncio.run(here.gateway.infer("churn", inputs(**own, tenure=beside)))  # type: ignore[arg-type]
                assert answer.parameters["variant"] == expected  # type: ignore[union-attr]
        assert {row["status"] for row in here.rows()} == {"ok"}
        with pytest.raises(BadInput, match="'tenor' is neither a feature nor"):
            asyncio.run(here.gateway.infer("churn", inputs(**by_feature, tenor=beside)))  # type: ignore[arg-type]


def test_metadata_names_what_rules_read(tmp_path: Path) -> None:
    with bench(tmp_path) as here:
        slots = (slot("champion", 1), slot("challenger", 2, RICHER))
        here.serve(snapshot(slots=slots, entries=(Entry(name="long", when=LONG, to="challenger"),)))
        named = [one["name"] for one in metadata(here.gateway.find("churn"), None)["features"]]
        assert named == ["age", "income", "country", "tenure"]
