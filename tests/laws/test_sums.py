"""Law: what is told of a metric from merged sums of parts is what is told of all its units at once."""

import dataclasses
import math
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seatrial.experiments.measure import Column, Measure
from seatrial.experiments.sample import Sample, take_sample
from seatrial.experiments.shapes import Shape
from seatrial.experiments.summed import sample_of
from seatrial.experiments.sums import Summing, Sums, is_summed, merged
from seatrial.experiments.unfolding import PARTS, Around
from seatrial.experiments.units import NEVER, Units
from tests import worlds

SECOND = worlds.SECOND
RUN = worlds.release((0.3, 0.0), (0.6, 50.0))
NOW = worlds.START + 90 * SECOND


def measured(shape: Shape, **more: Any) -> Measure:
    return Measure("it", shape, 20 * SECOND, 5 * SECOND, "", **more)


MEASURES = (
    measured("mean", unfolds=True),
    measured("mean", cap=3.0, unfolds=True),
    measured("mean", needs_label=True),
    measured("proportion", unfolds=True),
    measured("proportion", needs_label=True),
    measured("ratio"),
    measured("share", by_first=True),
    measured("share", needs_label=True),
    measured("root"),
    measured("mean", holes=True, unfolds=True),
    measured("proportion", holes=True),
    measured("ratio", holes=True),
)


class World:
    """``n`` units of two phases and three variants, some moved, and their numbers."""

    def __init__(self, n: int, seed: int, *, late: bool, constant: bool) -> None:
        rng = np.random.default_rng(seed)
        first = worlds.START + np.sort(rng.integers(0, 100 * SECOND, n))
        phase = np.where(first < worlds.START + 50 * SECOND, 1, 2)
        moved = np.where((phase == 1) & (rng.random(n) < 0.2), worlds.START + 50 * SECOND, NEVER)
        variant = np.array(["champion", "challenger", "third"], dtype=object)[rng.choice(3, n, p=[0.48, 0.48, 0.04])]
        names = pa.chunked_array([pa.array([f"u{i}" for i in range(n)])])
        self.units = Units(names, variant, phase, first, moved)
        y = rng.integers(0, 4, n).astype(float)
        x = (rng.random(n) * y).round(3) if not constant else np.ones(n)
        zeros = np.broadcast_to(np.float64(0), n)
        now_x = x + (rng.random(n) < 0.2) if late else x
        self.numbers = Column(
            x=x,
            y=y,
            x_all=now_x,
            y_all=np.maximum(y, now_x > x) if late else y,
            labels=rng.integers(0, 3, n).astype(float),
            wanted=rng.integers(0, 4, n).astype(float),
            late=(now_x > x).astype(float) if late else zeros,
            early=zeros,
            around=Around(*(rng.integers(0, 5, n) * (rng.random(n) < 0.5) for _ in PARTS)),
        )

    def sums(self, measure: Measure, here: np.ndarray[Any, np.dtype[np.bool_]]) -> Sums:
        """Of some of the units."""
        at = np.flatnonzero(here)
        part = Units(
            self.units.unit.take(pa.array(at)),
            *(getattr(self.units, name)[at] for name in ("variant", "phase", "first_at", "moved_at")),
        )
        return Summing(part, RUN, NOW).of(measure, column(measure, self.numbers, at))


def column(measure: Measure, whole: Column, at: np.ndarray[Any, np.dtype[np.int64]] | slice) -> Column:
    """As it would be read: two-valued where the metric is, one array for two that are the same."""

    def taken(values: np.ndarray[Any, np.dtype[np.float64]]) -> np.ndarray[Any, np.dtype[np.float64]]:
        if values.strides == (0,):
            return np.broadcast_to(values[:1], len(np.empty(len(values))[at])) if len(values) else values
        return (values > 0).astype(float)[at] if measure.shape == "proportion" else values[at]

    found = {name: taken(getattr(whole, name)) for name in ("x", "y", "labels", "wanted", "late", "early")}
    for name in ("x", "y"):
        late = taken(getattr(whole, f"{name}_all"))
        found[f"{name}_all"] = found[name] if np.array_equal(late, found[name]) else late
    if measure.holes:  # a third have an outcome without its number
        same = found["x_all"] is found["x"]
        for name in ("x", "x_all"):
            found[name] = np.where(found["labels"] == 2, np.nan, found[name])
        if same:
            found["x_all"] = found["x"]
    around = Around(*(part[at].astype(float) for part in whole.around)) if whole.around and measure.unfolds else None
    return Column(**found, around=around)


def told(sample: Sample) -> Any:
    """All of it but the units."""
    return [getattr(sample.without_units(), each.name) for each in dataclasses.fields(Sample)]


def assert_alike(found: Any, wanted: Any) -> None:
    if isinstance(wanted, float) and isinstance(found, float):
        assert math.isclose(found, wanted, rel_tol=1e-9, abs_tol=1e-12) or (math.isnan(found) and math.isnan(wanted))
    elif isinstance(wanted, msgspec.Struct):
        assert type(found) is type(wanted)
        assert_alike(list(msgspec.structs.astuple(found)), list(msgspec.structs.astuple(wanted)))
    elif isinstance(wanted, dict):
        assert_alike([*found, *found.values()], [*wanted, *wanted.values()])
    elif isinstance(wanted, list | tuple):
        assert len(found) == len(wanted)
        for one, other in zip(found, wanted, strict=True):
            assert_alike(one, other)
    else:
        assert found == wanted


@settings(deadline=None)
@given(
    st.sampled_from(MEASURES),
    st.integers(0, 400),
    st.integers(0, 2**32),
    st.integers(1, 5),
    st.booleans(),
    st.booleans(),
)
def test_merged_sums_of_parts_tell_what_all_units_tell(
    measure: Measure, n: int, seed: int, parts: int, late: bool, constant: bool
) -> None:
    world = World(n, seed, late=late, constant=constant)
    wanted = take_sample(world.units, column(measure, world.numbers, slice(None)), measure, RUN, NOW)
    of = np.random.default_rng(seed + 1).integers(0, parts, n)
    sums = [world.sums(measure, of == part) for part in range(parts)]
    kept = msgspec.msgpack.decode(msgspec.msgpack.encode(sums), type=list[Sums])
    assert_alike(told(sample_of(merged(kept), measure, RUN, NOW)), told(wanted))


@pytest.mark.parametrize(
    "more", [{"range": (0.0, 1.0)}, {"covariates": ("context.age",)}, {"ranks": True}, {"one_by_one": True}]
)
def test_what_needs_a_column_a_unit_is_not_summed(more: dict[str, Any]) -> None:
    assert is_summed(measured("mean"))
    assert not is_summed(measured("mean", **more))
    assert not any(is_summed(measured(shape)) for shape in ("quantile", "auc", "calibration", "coverage"))
