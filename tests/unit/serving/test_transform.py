"""A transform runs once a request and feeds every variant; what it does wrong is nobody's but its own."""

import asyncio
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from seatrial.ledger.counters import series
from seatrial.ledger.quarantine import add_quarantined, read_quarantine
from seatrial.ledger.underway import Suspect, take_suspects
from seatrial.models.runtimes import RuntimeFailure
from seatrial.protocol.bodies import PredictBody
from seatrial.protocol.inference import InferBody, InferInput
from seatrial.routing.snapshot import Arm, Entry, Shadow, Snapshot, Transform
from seatrial.serving.deployed import Deployed
from seatrial.serving.engine import Engine
from seatrial.serving.express import express
from seatrial.serving.transforming import Transforming
from seatrial.spec.errors import BadInput, Late, Overloaded, Unavailable
from seatrial.spec.signature import Answer, Feature, Signature, Tensor
from tests.gateways import Bench, Scripted, bench, quick, slot, slow, snapshot
from tests.waiting import wait_for

RAW = Signature(
    task="raw",
    features=(Feature(name="year", kind="number"), Feature(name="wage", kind="number", nullable=True)),
    inputs=(Tensor(name="R", datatype="FP64", shape=(-1, 2), features=("year", "wage")),),
    outputs=(Tensor(name="both", datatype="FP64", shape=(-1, 2)),),
    answer=Answer(prediction="both"),
)
CARRIED = Signature(
    task="classification",
    features=(*RAW.features, Feature(name="country", kind="category", categories=("DE", "FR", "US"))),
    inputs=(*RAW.inputs, Tensor(name="country", datatype="BYTES", shape=(-1,), features=("country",))),
    outputs=(),
    answer=Answer(prediction="label"),
)
ROW = {"year": 1986.0, "wage": 1000.0, "country": "FR"}


class Prep(Scripted):
    """Years into ages, wages doubled; and it can be told what to give instead."""

    def __init__(self) -> None:
        super().__init__()
        self.gives: np.ndarray[Any, Any] | None = None

    def run(self, inputs: Mapping[str, np.ndarray[Any, Any]]) -> dict[str, np.ndarray[Any, Any]]:
        self.calls += 1
        self.gate.wait()
        if self.failure is not None:
            raise self.failure
        rows = inputs["R"]
        return {"both": self.gives if self.gives is not None else np.stack([2026 - rows[:, 0], 2 * rows[:, 1]], axis=1)}


class Watching(Scripted):
    """A variant that remembers what it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[list[list[float]]] = []

    def run(self, inputs: Mapping[str, np.ndarray[Any, Any]]) -> dict[str, np.ndarray[Any, Any]]:
        self.asked.append(inputs["X"].tolist())
        return super().run(inputs)


def transformed(**more: Any) -> Snapshot:
    given = Transform(
        slot=slot("transform", 9, RAW),
        takes=("year", "wage"),
        gives={"both": ("age", "income")},
        signature=CARRIED,
        timeout=more.pop("timeout", 5.0),
    )
    return snapshot(transform=given, **more)


class House:
    """A bench that serves one deployment behind a transform."""

    def __init__(self, here: Bench) -> None:
        self.here = here
        self.prep = Prep()
        self.models = {"champion": Watching(), "challenger": Watching()}

    def serve(self, given: Snapshot, prep: Engine | None = None) -> Deployed:
        engines = {one.variant: quick(self.models[one.variant]) for one in given.slots}
        transform = Transforming(given, prep or quick(self.prep), self.here.recorder)
        deployed = Deployed(given, engines, self.here.recorder, transform)
        self.here.gateway.activate(self.here.gateway.prepare(deployed))
        return deployed

    def ask(self, row: Mapping[str, Any] = ROW, **more: Any) -> dict[str, Any]:
        return asyncio.run(self.here.gateway.predict("churn", row, **more))

    def counted(self) -> dict[str, int]:
        lines = [line for line in self.here.gateway.metrics().splitlines() if line.startswith("seatrial_transforms")]
        return {line.split('result="')[1].split('"')[0]: int(line.split()[-1]) for line in lines}


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with bench(tmp_path / "home") as found:
        yield House(found)


@pytest.mark.parametrize("speed", [quick, slow])
def test_the_variant_is_fed_what_the_transform_made_and_that_is_logged(house: House, speed: Any) -> None:
    house.serve(transformed(), speed(house.prep))
    assert house.ask()["answered_by"] == "assigned"
    assert house.models["champion"].asked == [[[40.0, 2000.0, 1.0]]]
    (row,) = house.here.rows()
    assert (row["feature.age"], row["feature.income"], row["feature.country"]) == (40.0, 2000.0, "FR")
    assert not [name for name in row if "year" in name or "wage" in name]
    assert house.counted()["ok"] == 1


def test_it_runs_once_for_all_rows_of_a_request_however_they_are_routed(house: House) -> None:
    arms = (Arm("champion", 0.5), Arm("challenger", 0.5))
    house.serve(transformed(entries=(Entry(name="everybody", salt="s", arms=arms),)))
    instances = [{"features": {**ROW, "year": 1926.0 + i}, "unit": f"u{i}"} for i in range(40)]
    answer = asyncio.run(house.here.gateway.predict("churn", instances=instances))
    assert len(answer["predictions"]) == 40
    assert house.prep.calls == 1
    ages = {row["unit"]: row["feature.age"] for row in house.here.rows()}
    assert ages == {f"u{i}": 100.0 - i for i in range(40)}
    assert all(model.asked for model in house.models.values())


def test_a_shadow_is_fed_the_same(house: House) -> None:
    house.serve(transformed(shadows=(Shadow(variant="challenger", share=1.0, salt="s"),)))

    async def ask() -> None:
        await house.here.gateway.predict("churn", ROW)
        await asyncio.sleep(0)  # copies are offered once the answer is sent

    asyncio.run(ask())
    wait_for(lambda: house.models["challenger"].asked, what="the copy to be delivered")
    assert house.models["challenger"].asked == house.models["champion"].asked == [[[40.0, 2000.0, 1.0]]]
    assert house.prep.calls == 1


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"wage": 1.0, "country": "FR"}, "feature 'year' is missing and not nullable"),
        ({"year": "old", "country": "FR"}, "feature 'year': expected a number, got the string"),
        ({"year": 1986.0}, "feature 'country' is missing"),
    ],
)
def test_a_row_that_does_not_fit_is_the_callers_fault(house: House, row: dict[str, Any], words: str) -> None:
    house.serve(transformed(fallback={"prediction": 0}))
    with pytest.raises(BadInput, match=words):
        house.ask(row)
    with pytest.raises(BadInput, match=f"{words[:14]}.*instance 1"):
        asyncio.run(house.here.gateway.predict("churn", instances=[{"features": ROW}, {"features": row}]))
    assert house.prep.calls == 0
    assert house.here.rows() == []


def test_features_that_nobody_takes_are_refused_where_the_file_is_strict(house: House) -> None:
    house.serve(transformed(strict_features=True))
    assert house.ask()["answered_by"] == "assigned"
    with pytest.raises(BadInput, match="'shoe' is not one of the model's"):
        house.ask({**ROW, "shoe": 43})


@pytest.mark.parametrize("speed", [quick, slow])
@pytest.mark.parametrize("gives", ["nothing", "too few", "none", "failure"])
def test_when_it_fails_no_variant_is_asked_and_nobody_is_blamed(house: House, speed: Any, gives: str) -> None:
    house.serve(
        transformed(shadows=(Shadow(variant="challenger", share=1.0, salt="s"),), fallback={"prediction": 0}),
        speed(house.prep),
    )
    wrong = {"nothing": np.zeros((0, 2)), "too few": np.zeros((1, 1)), "none": np.array([[np.nan, 1.0]])}
    house.prep.gives = wrong.get(gives)
    house.prep.failure = RuntimeFailure("no table today") if gives == "failure" else None
    answer = house.ask()
    assert (answer["prediction"], answer["answered_by"]) == (0, "fallback")
    (row,) = [row for row in house.here.rows() if row["role"] == "answer"]
    assert (row["status"], row["answered_by"], row["variant"]) == ("error", "fallback", "champion")
    if gives == "none":  # a number that the variant does not take: its failure by the transform's doing, no 400
        assert "'age' is missing" in row["error"]
    else:
        assert row["error"].startswith("the transform failed: ")
        assert house.models["champion"].asked == house.models["challenger"].asked == []
        assert house.counted()["error"] == 1
    wait_for(lambda: house.here.rows() and house.here.gateway.selfcheck()["balanced"], what="the books to balance")


def test_without_a_fallback_it_is_503(house: House) -> None:
    house.serve(transformed())
    house.prep.failure = RuntimeFailure("no table today")
    with pytest.raises(Unavailable, match="the transform failed: no table today"):
        house.ask()
    house.prep.failure = None
    assert house.ask()["answered_by"] == "assigned"


def test_one_that_hangs_is_late_and_holds_nobody_else_up(house: House) -> None:
    house.serve(transformed(timeout=0.05), slow(house.prep))
    house.here.serve(snapshot(deployment="other"))
    house.prep.hang()

    async def ask() -> dict[str, Any]:
        waiting = asyncio.ensure_future(house.here.gateway.predict("churn", ROW))
        await asyncio.sleep(0)
        other = await house.here.gateway.predict("other", {"age": 1.0, "income": 1.0, "country": "FR"})
        assert not waiting.done()
        with pytest.raises(Late, match="it gave nothing within 50 ms"):
            await waiting
        return other

    assert asyncio.run(ask())["answered_by"] == "assigned"
    house.prep.release()
    assert house.counted()["timeout"] == 1
    (row,) = house.here.rows()
    assert row["status"] == "timeout"


def test_too_many_waiting_are_shed(house: House) -> None:
    engine = Engine(house.prep, threads=1, waiting=0)
    house.serve(transformed(timeout=5.0), engine)
    house.prep.hang()

    async def ask() -> None:
        first = asyncio.ensure_future(house.here.gateway.predict("churn", ROW))
        await asyncio.sleep(0)
        with pytest.raises(Overloaded, match="calls wait for the model"):
            await house.here.gateway.predict("churn", ROW)
        house.prep.release()
        assert (await first)["answered_by"] == "assigned"

    asyncio.run(ask())
    wait_for(
        lambda: house.counted() == {"ok": 1, "error": 0, "timeout": 0, "shed": 1, "quarantine": 0},
        what="both to be counted",
    )


def test_who_would_wait_longer_than_it_may_take_is_shed_and_counted(house: House) -> None:
    """One call hangs on the only thread for longer than anybody waits; those behind it are told so at once."""
    house.prep.hang()
    engine = slow(house.prep, threads=1)
    house.serve(transformed(timeout=0.1, fallback={"prediction": 0}), engine)

    async def run() -> None:
        first = asyncio.create_task(house.here.gateway.predict("churn", ROW))
        while not house.prep.calls:
            await asyncio.sleep(0)
        await first
        await asyncio.gather(*(house.here.gateway.predict("churn", ROW) for _ in range(5)))

    asyncio.run(run())
    house.prep.release()
    assert house.counted() == {"ok": 0, "error": 0, "timeout": 1, "shed": 5, "quarantine": 0}
    shed = series("shed_total", deployment="churn", variant="transform", reason="time")
    assert house.here.recorder.counters.values()[shed] == 5


def test_a_caller_who_leaves_while_it_waits_has_left(house: House) -> None:
    house.prep.hang()
    house.serve(transformed(fallback={"prediction": 0}), slow(house.prep, threads=1))

    async def run() -> None:
        first, second = (asyncio.create_task(house.here.gateway.predict("churn", ROW)) for _ in range(2))
        while not house.prep.calls:
            await asyncio.sleep(0)
        second.cancel()
        with pytest.raises(asyncio.CancelledError):
            await second
        house.prep.release()
        await first

    asyncio.run(run())
    assert house.counted()["shed"] == 0


def test_its_model_is_under_way_while_it_runs_and_obeys_the_quarantine(house: House) -> None:
    deployed = house.serve(transformed(fallback={"prediction": 0}))
    suspect = Suspect("churn", "transform", "digest-9", default=False)
    add_quarantined(house.here.home, (suspect,), 1, "it crashed")
    house.here.gateway.obey(read_quarantine(house.here.home))
    assert deployed.transform is not None
    assert deployed.transform.locked == "it is in quarantine: it crashed"
    assert house.ask()["answered_by"] == "fallback"
    assert house.prep.calls == 0
    (row,) = house.here.rows()
    assert (row["status"], row["error"]) == ("quarantine", "the transform failed: it is in quarantine: it crashed")
    house.here.gateway.obey(())
    seen: list[tuple[Suspect, ...]] = []
    run = house.prep.run

    def looking(inputs: Any) -> Any:
        seen.append(take_suspects(house.here.home, "w0"))
        return run(inputs)

    house.prep.run = looking  # type: ignore[method-assign]
    house.ask()
    assert seen == [(suspect,)]


def test_open_inference_carries_what_the_transform_takes(house: House) -> None:
    deployed = house.serve(transformed())
    told = house.here.gateway.model_metadata("churn")
    assert [tensor["name"] for tensor in told["inputs"]] == ["R", "country"]
    assert [feature["name"] for feature in told["features"]] == ["year", "wage", "country"]
    assert [tensor["name"] for tensor in told["outputs"]] == ["label", "probabilities"]
    inputs = [
        InferInput("R", [1, 2], "FP64", [1986.0, 1000.0]),
        InferInput("country", [1], "BYTES", ["FR"]),
    ]
    answer = asyncio.run(house.here.gateway.infer("churn", InferBody(inputs)))
    assert answer.model_version == "churn:1"  # type: ignore[union-attr]
    assert house.models["champion"].asked == [[[40.0, 2000.0, 1.0]]]
    assert deployed.pending == 0


def test_the_shorter_way_is_not_taken(house: House) -> None:
    deployed = house.serve(transformed())
    assert deployed.quick is None
    assert express(deployed, lambda: "r", lambda: 0, lambda: 0, lambda pending: pending) == (None, None)
    body = PredictBody(features=dict(ROW))
    assert house.here.gateway.begin("churn", body)["answered_by"] == "assigned"  # type: ignore[index]


def test_a_model_that_gives_what_nobody_takes_feeds_nobody_and_hinders_nobody(house: House) -> None:
    """The version that took it was rolled back: the others get their features from the requests."""
    given = transformed()
    assert given.transform is not None
    wider = (*CARRIED.features, *(Feature(name=name, kind="number") for name in ("age", "income")))
    in_vain = msgspec.structs.replace(
        given.transform, gives={}, signature=msgspec.structs.replace(CARRIED, features=wider)
    )
    house.serve(msgspec.structs.replace(given, transform=in_vain))
    house.ask({**ROW, "age": 40.0, "income": 2000.0})
    assert house.prep.calls == 1
    assert house.models["champion"].asked == [[[40.0, 2000.0, 1.0]]]
