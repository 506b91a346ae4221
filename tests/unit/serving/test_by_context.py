"""A bandit that chooses by context, at the gateway: every way in asks for the context, and rows carry the chances."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from seatrial.protocol.bodies import AppPrediction, AssignBody
from seatrial.protocol.inference import InferBody, InferInput
from seatrial.routing.snapshot import Arm, ByContext, Column, Entry
from seatrial.spec.errors import BadInput
from tests.gateways import GOOD, Bench, ContextKey, bench, snapshot

BY = ByContext(
    policy="squarecb",
    columns=(Column(key="segment", kind="category", optional=True, categories=("gold",)),),
    arms=("champion", "challenger"),
    coefficients=((0.5, -0.4, 0.0, 0.0), (0.5, 0.4, -0.4, 0.0)),
    gamma=1e6,
    floor=0.05,
)
"""Gold likes the challenger, other segments the champion, and who names none the one as much as the other."""
ENTRY = Entry(
    name="everybody",
    arms=(Arm("champion", 0.5), Arm("challenger", 0.5)),
    by_context=BY,
    salt="s/epoch-2",
    reason="bandit",
    phase=2,
)
LIKES = {"gold": [0.05, 0.95], "tin": [0.95, 0.05], None: [0.5, 0.5]}


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Bench]:
    with bench(tmp_path) as found:
        found.serve(snapshot(context=(ContextKey("segment", "string", True),), entries=(ENTRY,)))
        yield found


def context(segment: str | None) -> dict[str, Any]:
    return {} if segment is None else {"segment": segment}


@pytest.mark.parametrize("segment", list(LIKES))
def test_a_row_carries_the_chances_that_it_was_drawn_by(here: Bench, segment: str | None) -> None:
    answer = asyncio.run(here.gateway.predict("churn", unit="u", features=GOOD, context=context(segment)))
    (row,) = here.rows()
    assert row["chances"] == pytest.approx(LIKES[segment], abs=1e-5)
    assert row["propensity"] == row["chances"][["champion", "challenger"].index(answer["variant"])]
    assert (row["reason"], row["phase"], row["contested"]) == ("bandit", 2, True)


def test_there_is_no_quick_way(here: Bench) -> None:
    assert here.gateway.find("churn").quick is None


def test_instances_with_their_own_context_are_drawn_one_by_one(here: Bench) -> None:
    instances = [{"features": GOOD, "unit": f"u{n}", "context": context("gold" if n % 2 else "tin")} for n in range(60)]
    answer = asyncio.run(here.gateway.predict("churn", instances=instances))
    met = [one["variant"] == ("challenger" if n % 2 else "champion") for n, one in enumerate(answer["predictions"])]
    assert sum(met) > 45
    for row in here.rows():
        assert row["chances"] == pytest.approx(LIKES[row["context.segment"]], abs=1e-5)


def test_the_open_inference_way_is_drawn_by_its_context_too(here: Bench) -> None:
    columns = {"age": ("FP64", [40.0]), "income": ("FP64", [1.0]), "country": ("BYTES", ["FR"])}
    inputs = [InferInput(name, [1], kind, data=data) for name, (kind, data) in columns.items()]
    body = InferBody(inputs=inputs, parameters={"unit": "u", "context.segment": "gold"})
    asyncio.run(here.gateway.infer("churn", body))
    (row,) = here.rows()
    assert row["chances"] == pytest.approx(LIKES["gold"], abs=1e-5)


def test_assign_and_its_row_are_drawn_by_the_same_context(here: Bench) -> None:
    found = here.gateway.assign("churn", AssignBody(unit="u", context=context("gold"), request_id="r"))
    told = {"variant": found["variant"], "reason": found["reason"], "propensity": found["propensity"]}
    for request, given in (("r", context("gold")), ("other", context("tin"))):
        here.gateway.log_predictions(
            [
                AppPrediction(
                    deployment="churn",
                    request_id=request,
                    unit="u",
                    context=given,
                    features=GOOD,
                    prediction=1,
                    revision=found["revision"],
                    **told,
                )
            ]
        )
    rows = {row["request_id"]: row for row in here.rows()}
    assert rows["r"]["reason"] == "bandit"
    assert rows["r"]["propensity"] == found["propensity"]
    assert rows["r"]["chances"] == pytest.approx(LIKES["gold"], abs=1e-5)
    # Nobody of another context was ever drawn by that chance: no evidence.
    assert (rows["other"]["reason"], rows["other"]["contested"], rows["other"]["chances"]) == ("override", False, None)


def test_a_deployment_without_one_has_no_such_column(tmp_path: Path) -> None:
    with bench(tmp_path) as here:
        here.serve(snapshot())
        asyncio.run(here.gateway.predict("churn", unit="u", features=GOOD))
        (row,) = here.rows()
    assert "chances" not in row


BY_COUNTRY = msgspec.structs.replace(
    BY, columns=(Column(key="features.country", kind="category", optional=True, categories=("FR",)),)
)
"""As BY, by a feature: who is of France likes the challenger."""
LIKED = {"FR": [0.05, 0.95], "DE": [0.95, 0.05]}


@pytest.fixture
def by_country(tmp_path: Path) -> Iterator[Bench]:
    with bench(tmp_path) as found:
        found.serve(snapshot(entries=(msgspec.structs.replace(ENTRY, by_context=BY_COUNTRY),)))
        yield found


@pytest.mark.parametrize("country", ["FR", "DE"])
def test_a_bandit_may_choose_by_a_feature(by_country: Bench, country: str) -> None:
    asyncio.run(by_country.gateway.predict("churn", unit="u", features={**GOOD, "country": country}))
    (row,) = by_country.rows()
    assert row["chances"] == pytest.approx(LIKED[country], abs=1e-5)


def test_instances_are_drawn_by_their_own_features_and_so_are_tensors(by_country: Bench) -> None:
    instances = [{"features": {**GOOD, "country": "FR" if n % 2 else "DE"}, "unit": f"u{n}"} for n in range(60)]
    answer = asyncio.run(by_country.gateway.predict("churn", instances=instances))
    met = [one["variant"] == ("challenger" if n % 2 else "champion") for n, one in enumerate(answer["predictions"])]
    assert sum(met) > 45
    columns = {"age": ("FP64", [40.0]), "income": ("FP64", [1.0]), "country": ("BYTES", ["FR"])}
    inputs = [InferInput(name, [1], kind, data=data) for name, (kind, data) in columns.items()]
    asyncio.run(by_country.gateway.infer("churn", InferBody(inputs=inputs, parameters={"unit": "u"})))
    for row in by_country.rows():
        assert row["chances"] == pytest.approx(LIKED[row["feature.country"]], abs=1e-5)
    assert by_country.gateway.find("churn").quick is None


@pytest.mark.parametrize("country", [["FR"], {"a": 1}, True, 2.5])
def test_a_feature_that_is_none_is_refused_by_the_model_and_not_by_the_draw(by_country: Bench, country: Any) -> None:
    with pytest.raises(BadInput, match="country"):
        asyncio.run(by_country.gateway.predict("churn", unit="u", features={**GOOD, "country": country}))


def test_a_row_is_drawn_again_by_its_features_and_refused_without_them(by_country: Bench) -> None:
    given = {**GOOD, "country": "FR"}
    found = by_country.gateway.assign("churn", AssignBody(unit="u", features=given, request_id="r"))
    told = {name: found[name] for name in ("variant", "reason", "propensity", "revision")}

    def app(**more: Any) -> AppPrediction:
        return AppPrediction(deployment="churn", request_id="r", unit="u", prediction=1, **told, **more)

    with pytest.raises(BadInput, match="a bandit chooses by country, which the row lacks; give them in its `features`"):
        by_country.gateway.log_predictions([app()])
    by_country.gateway.log_predictions([app(features=given)])
    (row,) = by_country.rows()
    assert (row["reason"], row["propensity"]) == ("bandit", found["propensity"])
    assert row["chances"] == pytest.approx(LIKED["FR"], abs=1e-5)


def test_a_number_of_any_length_is_the_models_to_refuse(tmp_path: Path) -> None:
    by_age = msgspec.structs.replace(BY, columns=(Column(key="features.age", kind="number", optional=True),))
    by_age = msgspec.structs.replace(by_age, coefficients=((0.5, -0.4, 0.0), (0.5, 0.4, 0.0)))
    with bench(tmp_path) as here:
        here.serve(snapshot(entries=(msgspec.structs.replace(ENTRY, by_context=by_age),)))
        with pytest.raises(BadInput, match="age"):
            asyncio.run(here.gateway.predict("churn", unit="u", features={**GOOD, "age": 10**400}))
