"""Copies that wait for a shadow are computed together, and each leaves what it would have left by itself."""

import asyncio
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from seatrial.models.runtimes import RuntimeFailure
from seatrial.routing.snapshot import Batch, Shadow
from tests.gateways import GOOD, Scripted, bench, quick, slot, slow, snapshot
from tests.waiting import wait_for

BAD = 13.0


class ByAge(Scripted):
    """A score made of the age; one age is more than it can take."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes: list[int] = []
        self.asked = threading.Event()

    def run(self, inputs: Mapping[str, np.ndarray[Any, Any]]) -> dict[str, np.ndarray[Any, Any]]:
        self.asked.set()
        assert self.gate.wait(20)
        ages = inputs["X"][:, 0]
        self.sizes.append(len(ages))
        if BAD in ages:
            raise RuntimeFailure("13 is too much")
        return {"label": np.zeros(len(ages), np.int64), "probabilities": np.stack([1 - ages / 100, ages / 100], axis=1)}


def shadowed(place: Path, batch: Batch | None) -> tuple[dict[float, tuple[str, float | None]], list[int]]:
    """What the shadow's rows say by age, and the sizes of its calls."""
    model = ByAge()
    model.hang()
    slots = (slot("champion", 1), slot("challenger", 2, batch=batch, timeout=60.0))
    shadows = (Shadow(variant="challenger", share=1.0, salt="s"),)
    with bench(place) as here:
        given = snapshot(slots=slots, shadows=shadows)
        deployed = here.serve(given, champion=quick(Scripted()), challenger=slow(model))

        async def run() -> None:
            for age in range(40):
                answer = await here.gateway.predict("churn", {**GOOD, "age": float(age)})
                assert answer["answered_by"] == "assigned"
                await asyncio.sleep(0)
                if not age:
                    assert await asyncio.to_thread(model.asked.wait, 20)

        asyncio.run(run())
        model.release()
        wait_for(lambda: deployed.idle, what="an idle lane")
        rows = [row for row in here.rows() if row["role"] == "shadow"]
        assert here.gateway.selfcheck()["balanced"]
    return {row["feature.age"]: (row["status"], row["prediction.score"]) for row in rows}, model.sizes


def test_together_is_as_by_itself(tmp_path: Path) -> None:
    together, sizes = shadowed(tmp_path / "together", Batch(rows=16))
    alone, singles = shadowed(tmp_path / "alone", None)
    assert together == alone
    assert together[BAD] == ("error", None)
    assert len(together) == 40
    assert singles == [1] * 40
    assert 1 < max(sizes) <= 16
