"""Moments of plain files against numpy, wherever the numbers lie, and units that stand twice found in any column."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.analysis.files import Files
from seatrial.analysis.metrics import Metric, named
from seatrial.analysis.reduce import Reduction
from seatrial.analysis.relation import Relation
from seatrial.spec.errors import BadInput
from seatrial.stats.multivariate import MultiMoments

ARMS = ("control", "new")


def units(values: dict[str, np.ndarray], names: list[object] | None = None) -> pa.Table:
    n = len(next(iter(values.values())))
    return pa.table(
        {"unit": list(range(n)) if names is None else names, "variant": [ARMS[i % 2] for i in range(n)]} | values
    )


def reduction(files: Files, metrics: tuple[Metric, ...]) -> Reduction:
    return Reduction(files, Relation(files, metrics))


@given(
    seed=st.integers(0, 2**32 - 1),
    mean=st.floats(-1e9, 1e9),
    sd=st.one_of(st.just(0.0), st.floats(1e-3, 1e6)),
    n=st.integers(4, 400),
)
def test_moments_are_numpys_however_far_from_zero(seed: int, mean: float, sd: float, n: int) -> None:
    rng = np.random.default_rng(seed)
    values = {"m": mean + sd * rng.standard_normal(n), "z": sd - mean * rng.standard_normal(n)}
    with Files(units(values)) as files:
        found = reduction(files, named({"m": "mean:m,covariate=z"}, outcomes=False)).arms()[""][""]["m"]
    for i, variant in enumerate(ARMS):
        expected = MultiMoments.from_values(np.column_stack([values["m"], values["z"]])[i::2])
        assert found[variant].moments.n == expected.n
        assert np.allclose(found[variant].moments.means, expected.means, rtol=1e-12, atol=0)
        scale = np.sqrt(np.diag(expected.products))
        rounding = 4e-15 * np.abs(expected.means)  # what float64 itself cannot tell apart there
        allowed = 1e-9 * np.outer(scale, scale) + expected.n * np.outer(rounding, rounding)
        allowed += np.sqrt(expected.n) * (np.outer(scale, rounding) + np.outer(rounding, scale))
        assert (np.abs(np.array(found[variant].moments.products) - np.array(expected.products)) <= allowed).all()


@pytest.mark.parametrize(
    ("names", "shown"),
    [
        ([0, 1, 2, 1], "'1'"),
        ([-(2**63), 5, 2**63 - 1, 5], "'5'"),
        ([0, 10**12, 7, 7], "'7'"),
        (["a", "b", "c", "b"], "'b'"),
        ([0.5, 1.5, 0.5, 2.5], "'0.5'"),
    ],
)
def test_a_unit_that_stands_twice_is_refused_by_name(names: list[object], shown: str) -> None:
    with Files(units({"m": np.arange(4.0)}, names)) as files, pytest.raises(BadInput, match=f"the unit {shown} stands"):
        reduction(files, named({"m": "mean:m"}, outcomes=False))


@pytest.mark.parametrize("names", [[3, 1, 2, 0], [-(2**63), 5, 2**63 - 1, 0], ["a", "b", "c", "d"], [0, 10**12, 7, 8]])
def test_units_that_stand_once_are_counted_by_variant(names: list[object]) -> None:
    with Files(units({"m": np.arange(4.0)}, names)) as files:
        assert reduction(files, named({"m": "mean:m"}, outcomes=False)).crowd.units == {"control": 2, "new": 2}


@pytest.mark.parametrize("column", ["unit", "variant"])
def test_a_row_without_its_unit_or_variant_is_named(column: str) -> None:
    table = units({"m": np.arange(4.0)})
    holed = [None if i == 2 else value for i, value in enumerate(table[column].to_pylist())]
    table = table.set_column(table.schema.get_field_index(column), column, pa.array(holed))
    with Files(table) as files, pytest.raises(BadInput, match=f"row 3 of exposures has no {column}"):
        reduction(files, named({"m": "mean:m"}, outcomes=False))
