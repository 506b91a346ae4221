"""Families: Holm beside statsmodels, e-BH beside its definition, and the levels of intervals."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from seatrial.stats.e_values import e_from_p
from seatrial.stats.families import as_family

P_VALUES = st.dictionaries(st.text(min_size=1), st.floats(1e-9, 1), min_size=1, max_size=8)


@given(P_VALUES)
def test_holm_keeps_what_statsmodels_keeps(p_values: dict[str, float]) -> None:
    found = as_family(p_values, 0.05)
    _, adjusted, _, _ = multipletests(list(p_values.values()), 0.05, method="holm")
    assert [m.p_value for m in found.values()] == pytest.approx(adjusted)
    for member, p in zip(found.values(), adjusted, strict=True):
        if abs(p - 0.05) > 1e-9:
            assert member.kept == (p <= 0.05)


@given(P_VALUES)
def test_e_bh_keeps_as_its_definition_says_and_the_intervals_exclude_what_is_kept(p_values: dict[str, float]) -> None:
    found = as_family(p_values, 0.1, "e-bh")
    e = sorted((e_from_p(p) for p in p_values.values()), reverse=True)
    most = max((k for k in range(1, len(e) + 1) if k * e[k - 1] >= len(e) / 0.1), default=0)
    assert sum(m.kept for m in found.values()) == most
    for name, member in found.items():
        assert member.level == pytest.approx(0.1 * max(most, 1) / len(e))
        if member.kept:
            assert p_values[name] <= member.level, "the interval at its level excludes 0 too"


def test_one_alone_has_all_of_alpha() -> None:
    assert as_family({"a": 0.04}, 0.05)["a"] == (0.05, True, 0.04)
    assert as_family({}, 0.05) == {}


@pytest.mark.simulation
@pytest.mark.parametrize("how", ["holm", "e-bh"])
def test_where_nothing_differs_hardly_anything_is_kept(how: str) -> None:
    rng = np.random.default_rng(1)
    worlds = 2000
    kept = 0
    for _ in range(worlds):
        p = rng.random(6)
        kept += any(m.kept for m in as_family(dict(enumerate(p)), 0.05, how).values())  # type: ignore[arg-type]
    assert kept / worlds <= 0.05 + 2 * (0.05 * 0.95 / worlds) ** 0.5
