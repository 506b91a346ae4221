"""A model that runs on the event loop has no more time than one in a thread."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from seatrial.protocol.bodies import PredictBody
from seatrial.protocol.inference import InferAnswer, read_infer
from seatrial.routing.snapshot import BreakerPolicy, Cache
from seatrial.serving.deployed import Deployed
from seatrial.serving.transforming import Transforming
from seatrial.spec.errors import Late, Overdue
from tests.gateways import GOOD, Bench, Scripted, bench, quick, slot, snapshot
from tests.unit.serving.test_transform import ROW as RAW_ROW
from tests.unit.serving.test_transform import transformed

MS = 1_000_000


class Hands:
    """A clock that stands still until somebody takes time."""

    def __init__(self) -> None:
        self.now = 1_000 * MS

    def __call__(self) -> int:
        return self.now


class Lengthy(Scripted):
    """A model whose call takes as long as it is told."""

    def __init__(self, hands: Hands, milliseconds: float, score: float = 0.25) -> None:
        super().__init__(score)
        self.hands = hands
        self.milliseconds = milliseconds

    def run(self, inputs: Any) -> dict[str, np.ndarray[Any, Any]]:
        self.hands.now += int(self.milliseconds * MS)
        return super().run(inputs)


@pytest.fixture
def hands() -> Hands:
    return Hands()


@pytest.fixture
def here(tmp_path: Path, hands: Hands) -> Iterator[Bench]:
    with bench(tmp_path, ticks=hands) as found:
        yield found


def ask(here: Bench, **more: Any) -> dict[str, Any]:
    return asyncio.run(here.gateway.predict("churn", GOOD, unit="u", **more))


def inline(model: Scripted) -> Any:
    """An engine that finds every call quick, however long it takes."""
    return quick(model, ticks=lambda: 0, processor_ticks=lambda: 0)


SLOTS = (slot("champion", 1), slot("challenger", 2, timeout=0.05, breaker=BreakerPolicy(minimum_calls=4)))


def test_one_that_took_longer_than_its_timeout_is_late_and_the_default_answers(here: Bench, hands: Hands) -> None:
    deployed = here.serve(
        snapshot({"challenger": 1.0}, slots=SLOTS),
        champion=inline(Scripted(0.75)),
        challenger=inline(Lengthy(hands, 50.001)),
    )
    answer = ask(here)
    assert (answer["answered_by"], answer["model_version"], answer["score"]) == ("default", "churn:1", 0.75)
    (row,) = here.rows()
    assert (row["status"], row["error"]) == ("timeout", "no answer within 50 ms")
    assert (row["variant"], row["answered"], row["latency_us"]) == ("challenger", "champion", 50_001)
    for _ in range(3):
        ask(here)
    assert deployed.variants["challenger"].breaker.state == "open"


def test_one_that_took_just_its_timeout_answers(here: Bench, hands: Hands) -> None:
    here.serve(snapshot({"challenger": 1.0}, slots=SLOTS), challenger=inline(Lengthy(hands, 50.0)))
    assert ask(here)["answered_by"] == "assigned"


def test_a_late_default_leaves_it_to_the_fallback_or_to_nobody(here: Bench, hands: Hands) -> None:
    slots = (slot("champion", 1, timeout=0.05),)
    here.serve(snapshot(slots=slots, fallback={"prediction": 9}), champion=inline(Lengthy(hands, 60)))
    answer = ask(here)
    assert (answer["answered_by"], answer["prediction"], answer["model_version"]) == ("fallback", 9, None)
    here.serve(snapshot(slots=slots, revision=2), champion=inline(Lengthy(hands, 60)))
    with pytest.raises(Late, match=r"'champion' failed \(no answer within 50 ms\)"):
        ask(here)


def test_a_late_answer_is_not_kept(here: Bench, hands: Hands) -> None:
    model = Lengthy(hands, 60)
    slots = (slot("champion", 1, timeout=0.05, cache=Cache()),)
    here.serve(snapshot(slots=slots, fallback={"prediction": 9}), champion=inline(model))
    assert [ask(here)["answered_by"] for _ in range(2)] == ["fallback", "fallback"]
    assert model.calls == 2


def infer(here: Bench, milliseconds: float) -> InferAnswer:
    body = {
        "inputs": [
            {"name": "age", "shape": [1], "datatype": "FP64", "data": [40]},
            {"name": "income", "shape": [1], "datatype": "FP64", "data": [2000]},
            {"name": "country", "shape": [1], "datatype": "BYTES", "data": ["FR"]},
        ],
        "parameters": {"unit": "u", "timeout_ms": milliseconds},
    }
    answer = asyncio.run(here.gateway.infer("churn", read_infer(msgspec.json.encode(body))))
    assert isinstance(answer, InferAnswer)
    return answer


def test_a_request_that_leaves_less_time_is_overdue_and_nobody_is_blamed(here: Bench, hands: Hands) -> None:
    default = Scripted(0.75)
    deployed = here.serve(
        snapshot({"challenger": 1.0}, slots=SLOTS, fallback={"prediction": 9}),
        champion=inline(default),
        challenger=inline(Lengthy(hands, 30)),
    )
    for _ in range(6):
        answer = infer(here, 20)
        assert answer.parameters["answered_by"] == "fallback"
        assert [output.data for output in answer.outputs] == [[9]]
    assert not default.calls  # the time was over before it was its turn
    assert deployed.variants["challenger"].breaker.state == "closed"
    assert {row["error"] for row in here.rows()} == {"no answer within 20 ms that the request left"}
    here.serve(snapshot({"challenger": 1.0}, slots=SLOTS, revision=2), challenger=inline(Lengthy(hands, 30)))
    with pytest.raises(Overdue, match="20 ms that the request left"):
        infer(here, 20)
    assert infer(here, 30).parameters["answered_by"] == "assigned"


class Preparing(Lengthy):
    """A transform that takes its time."""

    def run(self, inputs: Any) -> dict[str, np.ndarray[Any, Any]]:
        super().run({"X": inputs["R"]})
        return {"both": inputs["R"]}


def behind(here: Bench, hands: Hands, milliseconds: float, **more: Any) -> tuple[Preparing, Scripted]:
    """A deployment behind a transform that runs on the event loop, with 50 ms for it."""
    prep, model = Preparing(hands, milliseconds), Scripted()
    given = transformed(timeout=0.05, **more)
    engines = {one.variant: inline(model) for one in given.slots}
    deployed = Deployed(given, engines, here.recorder, Transforming(given, inline(prep), here.recorder))
    here.gateway.activate(here.gateway.prepare(deployed))
    return prep, model


def prepared(here: Bench, **more: Any) -> Any:
    body = PredictBody(features=dict(RAW_ROW), unit="u", **more)
    return here.gateway.begin("churn", body)


def test_a_transform_that_took_longer_than_its_timeout_is_late(here: Bench, hands: Hands) -> None:
    _, model = behind(here, hands, 50.001, fallback={"prediction": 9})
    assert prepared(here)["answered_by"] == "fallback"
    assert not model.calls
    (row,) = here.rows()
    assert (row["status"], row["error"]) == ("timeout", "the transform failed: it gave nothing within 50 ms")
    behind(here, hands, 50.001, revision=2)
    with pytest.raises(Late, match="it gave nothing within 50 ms"):
        prepared(here)
    counted = here.recorder.counters.values()
    assert counted['transforms_total{deployment="churn",result="timeout"}'] == 2


def test_a_transform_that_took_just_its_timeout_feeds(here: Bench, hands: Hands) -> None:
    behind(here, hands, 50)
    assert prepared(here)["answered_by"] == "assigned"


def test_a_transform_has_no_more_time_than_the_request_left(here: Bench, hands: Hands) -> None:
    prep, model = behind(here, hands, 30)
    with pytest.raises(Overdue, match="it gave nothing within 20 ms"):
        prepared(here, timeout_ms=20)
    assert prepared(here, timeout_ms=31)["answered_by"] == "assigned"
    assert (prep.calls, model.calls) == (2, 1)


def test_a_transform_is_not_asked_for_a_request_whose_time_is_over(here: Bench, hands: Hands) -> None:
    prep, _ = behind(here, hands, 1)
    body = PredictBody(features=dict(RAW_ROW), unit="u", timeout_ms=20)
    with pytest.raises(Overdue, match="it gave nothing within 0 ms"):
        here.gateway.begin("churn", body, 0, 20 * MS)
    assert not prep.calls
