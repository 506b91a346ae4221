"""A lookup variant in the gateway: who answers, what is written, and when."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from seatrial.models.lookup import LookupRuntime
from seatrial.models.runtimes import Runtime
from seatrial.protocol.inference import read_infer
from seatrial.routing.snapshot import Arm, Entry, Slot
from seatrial.serving.loader import Loader
from seatrial.spec.errors import BadInput, Unavailable
from tests.gateways import CLOCK, GOOD, Bench, Scripted, bench, slot, snapshot
from tests.scores import night, write_scores

NIGHT = (Entry(name="everybody", salt="churn/1", arms=(Arm("night", 0.5), Arm("night-too", 0.5))),)


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Bench]:
    with bench(tmp_path / "home") as found:
        write_scores(tmp_path / "scores", {"ann": 0.75, "bob": 0.25}, started_at=CLOCK)
        yield found


def serve(here: Bench, *, lookup: dict[str, Any] | None = None, **more: Any) -> None:
    """``night`` (twice, so that rows are evidence) is looked up; the champion computes 0.125."""
    looked_up = night(Path("scores"), **(lookup or {}))
    slots = (slot("champion", 1), looked_up, msgspec.structs.replace(looked_up, variant="night-too"))
    placed = tuple(msgspec.structs.replace(one, path=f"/{one.digest}") for one in slots)
    loader = Loader(here.recorder, load=_load, digest=lambda path: path.name)
    here.gateway.activate(loader.prepare(snapshot(slots=placed, entries=NIGHT, **more)))
    here.gateway.ready = True


def _load(one: Slot) -> Runtime:
    return Scripted(0.125) if one.lookup is None else LookupRuntime(one, clock=lambda: CLOCK / 1e6)


def ask(here: Bench, features: Any = GOOD, **more: Any) -> dict[str, Any]:
    return asyncio.run(here.gateway.predict("churn", features, **more))


def test_a_score_is_looked_up_by_the_unit_and_its_row_is_written_then(here: Bench) -> None:
    serve(here)
    assert here.rows() == []  # nothing was written when the scores were computed
    answer = ask(here, unit="ann", request_id="r1")
    assert (answer["prediction"], answer["score"]) == (1, 0.75)
    assert (answer["model_version"], answer["answered_by"], answer["reason"]) == ("churn:2", "assigned", "split")
    (row,) = here.rows()
    assert (row["variant"], row["version"], row["status"]) == (answer["variant"], "churn:2", "ok")
    assert row["contested"]
    assert row["prediction.label"] == 1
    assert row["feature.age"] == 40.0


@pytest.mark.parametrize("unit", ["eve", None])
def test_a_miss_goes_to_the_default_and_is_no_error(here: Bench, unit: str | None) -> None:
    serve(here)
    answer = ask(here, unit=unit)
    assert (answer["score"], answer["model_version"], answer["answered_by"]) == (0.125, "churn:1", "default")
    (row,) = here.rows()
    assert row["status"] == "miss"
    assert row["variant"] in ("night", "night-too")
    assert row["assigned_version"] == "churn:2"


def test_stale_scores_go_to_the_default_and_are_an_error(here: Bench, tmp_path: Path) -> None:
    write_scores(tmp_path / "scores", {"ann": 0.75}, started_at=CLOCK - 7_200_000_000)
    serve(here, lookup={"stale_after": 3600.0})
    assert ask(here, unit="ann")["answered_by"] == "default"
    (row,) = here.rows()
    assert row["status"] == "error"
    assert "2.0 h old" in row["error"]


def test_a_score_needs_no_features_but_a_miss_does(here: Bench) -> None:
    serve(here)
    assert ask(here, {}, unit="ann")["score"] == 0.75
    assert ask(here, {"age": 3}, unit="ann")["score"] == 0.75
    with pytest.raises(BadInput, match="age"):
        ask(here, {}, unit="eve")
    serve(here, fallback={"prediction": 0, "score": 0.5})
    assert ask(here, {}, unit="eve")["answered_by"] == "fallback"


def test_instances_are_looked_up_each_by_its_own(here: Bench) -> None:
    serve(here)
    instances = [{"features": GOOD, "unit": unit} for unit in ("ann", "eve", "bob")]
    answers = asyncio.run(_many(here, instances))["predictions"]
    assert [one["score"] for one in answers] == [0.75, 0.125, 0.25]
    assert [one["answered_by"] for one in answers] == ["assigned", "default", "assigned"]


def test_the_request_s_own_key_where_the_file_says_so(here: Bench) -> None:
    serve(here, lookup={"key": "request"})
    instances = [{"features": GOOD, "unit": "u1", "key": key} for key in ("ann", "bob", "eve")]
    answers = asyncio.run(_many(here, instances))["predictions"]
    assert [one["score"] for one in answers] == [0.75, 0.25, 0.125]
    assert ask(here, unit="ann")["answered_by"] == "default"  # a unit is no key there


def test_the_open_inference_way_gives_the_version_s_tensors(here: Bench) -> None:
    serve(here)
    inputs = [{"name": name, "shape": [1], "datatype": kind, "data": [GOOD[name]]} for name, kind in KINDS.items()]
    body = {"inputs": inputs, "parameters": {"unit": "ann"}}

    answer = asyncio.run(here.gateway.infer("churn", read_infer(json.dumps(body).encode())))
    assert answer.model_version == "churn:2"
    assert [(tensor.name, tensor.data) for tensor in answer.outputs] == [
        ("label", [1]),
        ("probabilities", [0.25, 0.75]),
    ]


def test_a_default_that_misses_has_nobody_behind_it(here: Bench) -> None:
    serve(here, default="night")
    with pytest.raises(Unavailable, match="no answer for key 'eve'"):
        ask(here, unit="eve")


KINDS = {"age": "FP64", "income": "FP64", "country": "BYTES"}


async def _many(here: Bench, instances: list[dict[str, Any]]) -> Any:
    return await here.gateway.predict("churn", instances=instances)
