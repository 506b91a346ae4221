"""A popular variant in the gateway: what it answers, and who answers when it has nothing."""

import asyncio
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seatrial.control.popular import beside_others
from seatrial.models.runtimes import Runtime
from seatrial.protocol.inference import read_infer
from seatrial.releases.popular_files import Scored, popular_file, write_popular
from seatrial.routing.snapshot import Arm, Entry, LogPolicy, Popular, Shadow, Slot
from seatrial.serving.deployed import Deployed
from seatrial.serving.loader import Loader
from seatrial.spec.signature import Answer, Feature, Signature, Tensor
from tests.gateways import Bench, Scripted, bench, slot, snapshot
from tests.waiting import wait_for

RANKING = Signature(
    task="ranking",
    features=(Feature(name="age", kind="number"),),
    inputs=(Tensor(name="X", datatype="FP32", shape=(-1, 1), features=("age",)),),
    outputs=(
        Tensor(name="item", datatype="BYTES", shape=(-1, 2)),
        Tensor(name="score", datatype="FP32", shape=(-1, 2)),
    ),
    answer=Answer(prediction="item", scores="score"),
)
AGED = {"age": 3.0}
ITEMS = [Scored("boat", 7.0), Scored("anchor", 2.0), Scored("rope", 2.0)]
ANSWER = [{"item": "boat", "score": 7.0}, {"item": "anchor", "score": 2.0}, {"item": "rope", "score": 2.0}]
POPULAR = Slot(
    variant="popular",
    model="popular",
    version=0,
    digest="terms",
    path="",
    runtime="popular",
    timeout=60.0,
    signature=RANKING,
    popular=Popular(file="churn/items", outcome="click", within=2_592_000.0),
)
BOTH = (Entry(name="everybody", salt="churn/1", arms=(Arm("popular", 1.0),)),)


class Ranker(Scripted):
    """Two items for every row."""

    def run(self, inputs: Mapping[str, np.ndarray[Any, Any]]) -> dict[str, np.ndarray[Any, Any]]:
        n = len(inputs["X"])
        return {"item": np.full((n, 2), ["oar", "sail"], dtype=object), "score": np.full((n, 2), [0.25, 0.75])}


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Bench]:
    with bench(tmp_path / "home") as found:
        yield found


def serve(here: Bench, items: list[Scored] | None = ITEMS, *, alone: bool = False, **more: Any) -> Deployed:
    if items is not None:
        write_popular(popular_file(here.home, "churn/items"), items)
    models = () if alone else (slot("champion", 1, RANKING, path="/digest-1"),)
    default = "popular" if alone else "champion"
    given: dict[str, Any] = {"entries": BOTH, "task": "ranking", "log": LogPolicy(features=("age",)), **more}
    shot = snapshot(slots=beside_others((*models, POPULAR), default), default=default, **given)
    deployed = Loader(here.recorder, load=_load, digest=lambda path: path.name).prepare(shot)
    here.gateway.activate(here.gateway.prepare(deployed))
    here.gateway.ready = True
    return deployed


def _load(_: Slot) -> Runtime:
    return Ranker()


def ask(here: Bench, features: Any = AGED, **more: Any) -> dict[str, Any]:
    return asyncio.run(here.gateway.predict("churn", features, **{"unit": "ann", **more}))


def test_the_most_popular_items_are_answered_best_first_and_written(here: Bench) -> None:
    serve(here)
    answer = ask(here)
    assert answer["prediction"] == ANSWER
    assert (answer["model_version"], answer["answered_by"], answer["variant"]) == ("popular", "assigned", "popular")
    (row,) = here.rows()
    assert (row["version"], row["status"], row["feature.age"]) == ("popular", "ok", 3.0)
    assert json.loads(row["prediction.json"]) == ANSWER


@pytest.mark.parametrize("features", [{}, {"age": "forty"}, {"other": 1}], ids=["none", "wrong", "others"])
def test_it_needs_no_features_and_refuses_none(here: Bench, features: dict[str, Any]) -> None:
    serve(here, strict_features=True)
    assert ask(here, features)["prediction"] == ANSWER


@pytest.mark.parametrize("items", [[], None], ids=["empty", "missing"])
def test_without_items_the_default_answers_and_the_row_says_why(here: Bench, items: list[Scored] | None) -> None:
    serve(here, items)
    answer = ask(here)
    assert answer["prediction"][0] == {"item": "sail", "score": 0.75}
    assert (answer["answered_by"], answer["model_version"]) == ("default", "churn:1")
    (row,) = here.rows()
    assert (row["variant"], row["status"]) == ("popular", "error")
    why = "no item has had a `click` in the last 30d" if items is not None else "is missing or damaged"
    assert why in row["error"]


def test_a_new_list_is_taken_up_and_a_damaged_one_leaves_what_was_read(here: Bench) -> None:
    deployed = serve(here)
    path = popular_file(here.home, "churn/items")
    write_popular(path, [Scored("rope", 1.0)])
    assert ask(here)["prediction"] == ANSWER  # nobody who answers looks at the disk
    deployed.look()
    assert ask(here)["prediction"] == [{"item": "rope", "score": 1.0}]
    path.write_bytes(b"{torn")
    deployed.look()
    assert ask(here)["prediction"] == [{"item": "rope", "score": 1.0}]
    path.unlink()
    deployed.look()
    assert ask(here)["prediction"] == [{"item": "rope", "score": 1.0}]


def test_alone_it_takes_anything_and_its_fallback_answers_until_there_are_items(here: Bench) -> None:
    serve(here, [], alone=True, fallback={"prediction": []}, log=LogPolicy())
    answer = ask(here, {"whatever": [1]})
    assert (answer["prediction"], answer["answered_by"]) == ([], "fallback")
    write_popular(popular_file(here.home, "churn/items"), ITEMS)
    here.gateway.deployments["churn"].look()
    assert ask(here, {})["prediction"] == ANSWER


def infer(here: Bench, body: dict[str, Any], version: str | None = None) -> Any:
    read = read_infer(json.dumps(body).encode())
    return asyncio.run(here.gateway.infer("churn", read, version=version))


def test_the_open_inference_way_gives_items_and_scores_as_tensors(here: Bench) -> None:
    serve(here)
    tensor = {"name": "X", "shape": [2, 1], "datatype": "FP32", "data": [1, 2]}
    for version in (None, "popular"):
        answer = infer(here, {"inputs": [tensor], "parameters": {"unit": "ann"}}, version)
        assert answer.model_version == "popular"
        assert [(one.name, one.shape, one.data) for one in answer.outputs] == [
            ("item", [2, 3], ["boat", "anchor", "rope"] * 2),
            ("score", [2, 3], [7.0, 2.0, 2.0] * 2),
        ]


@pytest.mark.parametrize(
    ("inputs", "rows"),
    [([], 1), ([{"name": "any", "shape": [3], "datatype": "FP64", "data": [1, 2, 3]}], 3)],
    ids=["none", "three"],
)
def test_alone_it_answers_open_inference_whatever_comes(here: Bench, inputs: list[Any], rows: int) -> None:
    serve(here, alone=True, log=LogPolicy())
    answer = infer(here, {"inputs": inputs})
    assert [one.shape for one in answer.outputs] == [[rows, 3], [rows, 3]]


def test_it_may_be_a_shadow(here: Bench) -> None:
    deployed = serve(
        here,
        entries=(Entry(name="everybody", salt="churn/1", arms=(Arm("champion", 1.0),)),),
        shadows=(Shadow(variant="popular", share=1.0, salt="s"),),
    )
    assert ask(here)["prediction"][0]["item"] == "sail"
    wait_for(lambda: deployed.lanes["popular"].idle)
    live, shadow = here.rows()
    assert (live["role"], shadow["role"], shadow["status"]) == ("answer", "shadow", "ok")
    assert json.loads(shadow["prediction.json"]) == ANSWER
