"""Made-up releases: rows and outcomes as the ledger shows them, in arrays, so that a world costs milliseconds."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import ArrayLike, NDArray

from seatrial.experiments.source import TableSource
from seatrial.releases.run import Phase, ReleaseRun
from seatrial.routing.assign import assign_many
from seatrial.routing.snapshot import Arm, Entry
from seatrial.spec.deployment import Deployment

SECOND = 1_000_000
START = 1_700_000_000 * SECOND
STAMP = pa.timestamp("us", tz="UTC")

Array = NDArray[Any]


def release(
    *phases: tuple[float, float],
    salt: str = "salt",
    stage: str = "test",
    alpha: float = 0.05,
    plan_units: int = 5000,
    caps: dict[str, float] | None = None,
) -> ReleaseRun:
    """A release whose phases are (challenger's share, seconds after ``START``)."""
    numbered = tuple(
        Phase(
            number=number,
            arms=(Arm("champion", 1 - share), Arm("challenger", share)),
            started_at=START + round(after * SECOND),
            revision=number,
        )
        for number, (share, after) in enumerate(phases, start=1)
    )
    return ReleaseRun(
        id="release-1",
        deployment="digits",
        entry="everybody",
        champion="champion",
        challenger="challenger",
        champion_version="digits:1",
        challenger_version="digits:2",
        salt=salt,
        stage=stage,  # type: ignore[arg-type]
        stage_started_at=START,
        phases=numbered,
        alpha=alpha,
        plan_units=plan_units,
        caps=caps or {},
        started_at=START,
    )


def deployment(**parts: Any) -> Deployment:
    """A deployment with a champion, a challenger and a sender as its unit."""
    whole: dict[str, Any] = {
        "deployment": "digits",
        "task": "classification",
        "unit": {"name": "sender"},
        "variants": {"champion": {"model": "models:/digits/1"}, "challenger": {"model": "models:/digits/2"}},
        "routing": [{"name": "everybody", "split": {"champion": 1.0}}],
    }
    return Deployment.model_validate(whole | parts)


def unit_names(n: int, prefix: str = "sender") -> list[str]:
    return [f"{prefix}-{i}" for i in range(n)]


def phase_at(run: ReleaseRun, at: Array) -> Array:
    """The phase of each moment [n]."""
    starts = np.array([phase.started_at for phase in run.phases])
    return np.array([phase.number for phase in run.phases])[np.searchsorted(starts, at, side="right") - 1]


def assigned(run: ReleaseRun, units: Sequence[str], phase: Array) -> Array:
    """The variant of each unit [n] in its phase [n], as the router gives it."""
    variant = np.empty(len(units), dtype=object)
    names = np.asarray(units, dtype=object)
    for each in run.phases:
        where = np.flatnonzero(phase == each.number)
        entry = Entry(name=run.entry, arms=each.arms, salt=run.salt)
        variant[where] = assign_many(entry, names[where].tolist())
    return variant


def rows(run: ReleaseRun, units: Sequence[str], at: ArrayLike, **given: Any) -> dict[str, Any]:
    """Columns of rows decided by the release's entry, one a unit and moment; ``given`` replaces columns."""
    moments = np.asarray(at, dtype=np.int64)
    n = len(moments)
    phase = np.asarray(given["phase"]) if "phase" in given else phase_at(run, moments)
    variant = np.asarray(given["variant"]) if "variant" in given else assigned(run, units, phase)
    version = np.where(variant == run.challenger, run.challenger_version, run.champion_version)
    columns: dict[str, Any] = {
        "request_id": [f"request-{i}" for i in range(n)],
        "row": np.zeros(n, dtype=np.int64),
        "role": ["answer"] * n,
        "key": [None] * n,
        "at": moments,
        "unit": list(units),
        "unit_named": np.ones(n, dtype=bool),
        "entry": [run.entry] * n,
        "reason": ["split"] * n,
        "variant": variant,
        "assigned_version": version,
        "answered_by": ["assigned"] * n,
        "answered": variant,
        "version": version,
        "propensity": np.full(n, 0.5),
        "contested": np.ones(n, dtype=bool),
        "release": [run.id] * n,
        "phase": phase,
        "revision": phase,
        "status": ["ok"] * n,
        "error": [""] * n,
        "latency_us": np.full(n, 1000),
    }
    return columns | given


def outcomes(outcome: str, at: ArrayLike, **given: Any) -> dict[str, Any]:
    """Columns of outcomes, one a moment; give ``unit`` or ``request_id`` or ``key``, and values."""
    moments = np.asarray(at, dtype=np.int64)
    n = len(moments)
    columns: dict[str, Any] = {
        "outcome": [outcome] * n,
        "id": [f"{outcome}-{i}" for i in range(n)],
        "unit": [None] * n,
        "request_id": [None] * n,
        "row": [None] * n,
        "key": [None] * n,
        "item": [None] * n,
        "value_number": [None] * n,
        "value_text": [None] * n,
        "fields": ["{}"] * n,
        "at": moments,
        "received_at": moments,
    }
    return columns | given


_TYPES = {
    "at": STAMP, "received_at": STAMP, "outcome": pa.string(), "id": pa.string(), "unit": pa.string(),
    "request_id": pa.string(), "row": pa.int64(), "key": pa.string(), "item": pa.string(),
    "value_number": pa.float64(), "value_text": pa.string(), "fields": pa.string(),
}  # fmt: skip


def table(*parts: dict[str, Any]) -> pa.Table:
    """The parts, one under the other."""
    names = list(dict.fromkeys(name for part in parts for name in part))
    return pa.table({name: _column(name, [part[name] for part in parts]) for name in names})


def source(row_parts: Sequence[dict[str, Any]], outcome_parts: Sequence[dict[str, Any]] = ()) -> TableSource:
    """A source over the parts."""
    return TableSource(table(*row_parts), table(*outcome_parts) if outcome_parts else None)


def _column(name: str, chunks: list[Any]) -> pa.ChunkedArray:
    return pa.chunked_array([_array(name, chunk) for chunk in chunks])


def _array(name: str, values: Any) -> pa.Array:
    kind = _TYPES.get(name)
    if kind == STAMP:
        return pa.array(np.asarray(values, dtype=np.int64), pa.int64()).cast(STAMP)
    plain = values.tolist() if isinstance(values, np.ndarray) and values.dtype == object else values
    return pa.array(plain, kind)  # a list: given an array of objects, Arrow imports pandas, for seconds
