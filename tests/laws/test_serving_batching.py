"""Whoever asks at the same moment, each gets the answer to his own rows by his own version, as if he were alone."""

import asyncio
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seatrial.models.runtimes import OnnxRuntime, RuntimeFailure
from seatrial.routing.snapshot import Batch, LogPolicy
from seatrial.serving.batching import FIRST_ROWS
from seatrial.spec.errors import Unavailable
from tests.gateways import GOOD, Bench, bench, logistic, quick, slot, slow, snapshot
from tests.waiting import wait_for

BAD = 13.0


class ByRow:
    """A score made of every row alone, by version, element by element; one age is more than it can take."""

    out_of_process = False
    alone = False

    def __init__(self, version: int) -> None:
        self.version = version
        self.gate = threading.Event()
        self.sizes: list[int] = []

    def run(self, inputs: Mapping[str, np.ndarray[Any, Any]]) -> dict[str, np.ndarray[Any, Any]]:
        assert self.gate.wait(60)
        ages = inputs["X"][:, 0]
        self.sizes.append(len(ages))
        if BAD in ages:
            raise RuntimeFailure("13 is too much")
        scores = (1 / (1 + np.exp(-ages / 50)) / self.version).astype(np.float32)
        return {"label": (scores > 0.5).astype(np.int64), "probabilities": np.stack([1 - scores, scores], axis=1)}

    def close(self) -> None:
        pass


def asked(here: Bench, requests: list[tuple[str, list[float]]], batch: Batch | None) -> tuple[list[Any], list[ByRow]]:
    """The scores of every request, or the reason without one, and the two models."""
    models = {"champion": ByRow(1), "challenger": ByRow(2)}
    slots = (slot("champion", 1, batch=batch, timeout=60.0), slot("challenger", 2, batch=batch, timeout=60.0))
    here.serve(snapshot(slots=slots), **{name: slow(model) for name, model in models.items()})

    async def one(variant: str, ages: list[float]) -> Any:
        instances = [{"features": {**GOOD, "age": age}} for age in ages]
        try:
            answer = await here.gateway.predict("churn", instances=instances, variant=variant)
        except Unavailable as error:
            return str(error).partition(": ")[2]
        return answer["model_version"], [prediction["score"] for prediction in answer["predictions"]]

    async def everybody() -> list[Any]:
        tasks = [asyncio.create_task(one(*request)) for request in requests]
        await asyncio.sleep(0)
        for model in models.values():
            model.gate.set()
        return await asyncio.gather(*tasks)

    return asyncio.run(everybody()), list(models.values())


ages = st.integers(-20, 80).map(float)
requests = st.lists(
    st.tuples(st.sampled_from(["champion", "challenger"]), st.lists(ages, min_size=1, max_size=6)), max_size=30
)


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with bench(tmp_path_factory.mktemp("batching")) as found:
        yield found


@given(requests, st.integers(2, 64))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_together_is_as_alone_bit_for_bit(here: Bench, asking: list[tuple[str, list[float]]], rows: int) -> None:
    together, models = asked(here, asking, Batch(rows=rows))
    alone, _ = asked(here, asking, None)
    assert together == alone
    for version, model in zip((1, 2), models, strict=True):
        own = [len(rows) for variant, rows in asking if variant == ("champion", "challenger")[version - 1]]
        assert max(model.sizes, default=0) <= max([rows, *own])


def test_a_model_in_a_process_of_its_own_gets_batches_too(tmp_path: Path) -> None:
    model = ByRow(1)
    model.out_of_process = True
    with bench(tmp_path) as here:
        here.serve(snapshot(slots=(slot("champion", 1, timeout=60.0),)), champion=quick(model))

        async def everybody() -> list[dict[str, Any]]:
            asking = [here.gateway.predict("churn", {**GOOD, "age": float(age)}) for age in range(20, 40)]
            tasks = [asyncio.create_task(one) for one in asking]
            await asyncio.sleep(0)
            model.gate.set()
            return await asyncio.gather(*tasks)

        scores = [answer["score"] for answer in asyncio.run(everybody())]
    assert scores == sorted(scores)
    assert len(set(scores)) == 20 > len(model.sizes)


def test_every_request_leaves_its_own_rows(tmp_path: Path) -> None:
    with bench(tmp_path) as here:
        asking = [("champion", [float(i), BAD][: 1 + (i == 7)]) for i in range(20, 40)]
        asking[7] = ("champion", [BAD])
        found, (model, _) = asked(here, asking, Batch())
        assert found[7] == "'champion' failed (13 is too much); a `fallback` would answer then"
        assert max(model.sizes) > 1
        rows = {row["feature.age"]: row for row in here.rows()}
        assert {age for age, row in rows.items() if row["status"] != "ok"} == {BAD}
        for (_, ages), answer in zip(asking, found, strict=True):
            if ages != [BAD]:
                assert rows[ages[0]]["prediction.score"] == answer[1][0]


def test_a_real_model_answers_a_batch_as_it_answers_rows_but_for_rounding(tmp_path: Path) -> None:
    """Other kernels for other sizes: the last bits of a float32 may differ."""
    content, signature = logistic(4)
    names = tuple(feature.name for feature in signature.features)
    runtime = OnnxRuntime(content, ("label", "probabilities"))
    given = np.random.default_rng(3).normal(size=(40, 4))
    singles = [runtime.run({"X": row.reshape(1, 4).astype(np.float32)})["probabilities"][0, 1] for row in given]

    class Gated(ByRow):
        def run(self, inputs: Mapping[str, np.ndarray[Any, Any]]) -> dict[str, np.ndarray[Any, Any]]:
            assert self.gate.wait(60)
            self.sizes.append(len(inputs["X"]))
            return runtime.run(inputs)

    model = Gated(1)
    with bench(tmp_path) as here:
        only = slot("champion", 1, signature, timeout=60.0)
        here.serve(snapshot(slots=(only,), log=LogPolicy(features=names)), champion=slow(model))

        async def everybody() -> list[dict[str, Any]]:
            asking = [here.gateway.predict("churn", dict(zip(names, map(float, row), strict=True))) for row in given]
            tasks = [asyncio.create_task(one) for one in asking]
            await asyncio.sleep(0)
            model.gate.set()
            return await asyncio.gather(*tasks)

        answers = asyncio.run(everybody())
    assert max(model.sizes) > 1
    np.testing.assert_allclose([answer["score"] for answer in answers], singles, rtol=2e-6)


def test_callers_whose_time_is_over_are_not_computed(tmp_path: Path) -> None:
    model = ByRow(1)
    with bench(tmp_path) as here:
        engine = slow(model, threads=1)
        here.serve(snapshot(fallback={"prediction": 0}, slots=(slot("champion", 1, timeout=0.02),)), champion=engine)

        async def everybody() -> list[dict[str, Any]]:
            return await asyncio.gather(*(here.gateway.predict("churn", GOOD) for _ in range(10)))

        answers = asyncio.run(everybody())
        model.gate.set()
        wait_for(lambda: engine.held == 0, what="an empty queue")
        assert {answer["answered_by"] for answer in answers} == {"fallback"}
        (first,) = model.sizes  # of ten callers those who came before a thread did
        assert first <= FIRST_ROWS
        # whoever comes when the queue is already known to outlast its time is not even queued
        assert "timeout" in {row["status"] for row in here.rows()} <= {"timeout", "shed"}


def test_the_sizes_of_batches_and_their_waits_are_in_the_metrics(tmp_path: Path) -> None:
    with bench(tmp_path) as here:
        _, (model, _) = asked(here, [("champion", [1.0])] * 20, Batch())
        text = here.gateway.metrics()
        assert f'seatrial_batch_rows_count{{deployment="churn",variant="champion"}} {len(model.sizes)}' in text
        assert 'seatrial_batch_rows_sum{deployment="churn",variant="champion"} 20' in text
        assert 'seatrial_batch_wait_seconds_bucket{deployment="churn",variant="champion",le="+Inf"}' in text
        assert "seatrial_batch_wait_us" not in text
