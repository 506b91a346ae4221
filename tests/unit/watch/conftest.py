"""A small made-up world: answers and outcomes in memory, and the profile that they are compared with."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from seatrial.drift import Profile, accuracy_baseline, classification_profile
from seatrial.experiments.source import TableSource
from seatrial.spec.deployment import (
    DataMonitor,
    Deployment,
    EntrySpec,
    MetricSpec,
    Monitors,
    OutcomeSpec,
    PerformanceMonitor,
    VariantSpec,
)
from seatrial.spec.signature import Feature

T0 = 1_700_000_000_000_000
SECOND = 1_000_000
FEATURES = (
    Feature(name="age", kind="number", nullable=True),
    Feature(name="plan", kind="category"),
    Feature(name="note", kind="text", nullable=True),
    Feature(name="point", kind="embedding", width=2),
    Feature(name="code", kind="id"),
)
KINDS = {
    "key": pa.string(),
    "row": pa.int64(),
    "value_number": pa.float64(),
    "value_text": pa.string(),
    "request_id": pa.string(),
    "unit": pa.string(),
    "fields": pa.string(),
    "feature.note": pa.string(),
    "feature.plan": pa.string(),
    "feature.code": pa.string(),
    "feature.age": pa.float64(),
    "feature.point": pa.list_(pa.float64()),
}


class World:
    """Rows and outcomes of one deployment with windows of ten seconds."""

    def __init__(self) -> None:
        self.rng = np.random.default_rng(11)
        self.rows: list[dict[str, Any]] = []
        self.outcomes: list[dict[str, Any]] = []
        right = (np.arange(500) < 450).astype(int)
        self.profile = Profile.from_values(
            FEATURES,
            {name: [row[f"feature.{name}"] for row in map(self.inputs, range(3000))] for name in self.names},
            prediction=classification_profile(["a"] * 300 + ["b"] * 300, self.rng.random(600), ["a", "b"]),
            performance={"accuracy": accuracy_baseline(np.ones(500), right)},
            holdout_rows=500,
        )

    names = tuple(feature.name for feature in FEATURES)

    def inputs(self, _index: int, shift: float = 0.0) -> dict[str, Any]:
        return {
            "feature.age": float(self.rng.normal(40 + 10 * shift, 10)),
            "feature.plan": str(self.rng.choice(["free", "paid"])),
            "feature.note": "x" * int(self.rng.poisson(20)),
            "feature.point": self.rng.normal(size=2).tolist(),
            "feature.code": f"c{self.rng.integers(1_000_000)}",
        }

    def answer(self, second: float, **more: Any) -> dict[str, Any]:
        """One answered row at this second."""
        variant = more.get("variant", "champion")
        row = {
            "request_id": f"r{len(self.rows)}",
            "row": 0,
            "key": None,
            "at": T0 + round(second * SECOND),
            "unit": f"u{len(self.rows)}",
            "variant": variant,
            "answered": variant,
            "version": "m:1",
            "assigned_version": "m:1",
            "role": "answer",
            "status": "ok",
            "sampled": True,
            "prediction.label": str(self.rng.choice(["a", "b"])),
            "prediction.score": float(self.rng.random()),
            **self.inputs(0),
            **more,
        }
        self.rows.append(row)
        return row

    def fill(self, first: float, last: float, n: int, **more: Any) -> list[dict[str, Any]]:
        """``n`` rows spread over seconds [first, last); callables are called for each row."""
        step = (last - first) / n
        return [
            self.answer(first + i * step, **{k: v() if callable(v) else v for k, v in more.items()}) for i in range(n)
        ]

    def happen(self, second: float, outcome: str = "truth", **more: Any) -> None:
        self.outcomes.append({"outcome": outcome, "at": T0 + round(second * SECOND), **more})

    @property
    def source(self) -> TableSource:
        return TableSource(table(self.rows), table(self.outcomes) if self.outcomes else None)


def table(rows: list[dict[str, Any]]) -> pa.Table:
    names = {name: None for row in rows for name in row}
    columns = {}
    for name in names:
        kind = pa.timestamp("us", tz="UTC") if name in ("at", "received_at") else KINDS.get(name)
        columns[name] = pa.array([row.get(name) for row in rows], kind)
    return pa.table(columns)


def a_deployment(**more: Any) -> Deployment:
    return Deployment(
        **{
            "deployment": "mail",
            "variants": {
                "champion": VariantSpec(model="models:/m@champion"),
                "challenger": VariantSpec(model="models:/m/2"),
            },
            "routing": (EntrySpec(name="everybody", split={"champion": 1.0}),),
            "outcomes": {"truth": OutcomeSpec(label=True), "sale": OutcomeSpec()},
            "metrics": {"accuracy": MetricSpec(kind="accuracy", outcome="truth", within=5, grace=5)},
            "monitors": Monitors(data=DataMonitor(window=10), performance=None),
            **more,
        }
    )


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def deployment() -> Callable[..., Deployment]:
    return a_deployment


@pytest.fixture
def watching() -> Callable[..., Deployment]:
    """A deployment whose performance is watched by this metric."""

    def make(metric: MetricSpec, **more: Any) -> Deployment:
        performance = PerformanceMonitor(**{"metric": "it", "window": 10, **more})
        return a_deployment(metrics={"it": metric}, monitors=Monitors(data=None, performance=performance))

    return make
