"""What entries took and how their units fared, by hand: a unit in two entries, maturity, labels, forced requests."""

from typing import Any

import pytest

from seatrial.experiments.coverage import Fared, Hits, fared, hits_of
from seatrial.experiments.declared_measures import measure_of
from tests import worlds

RUN = worlds.release((0.5, 0))
S = worlds.SECOND


def at(*seconds: float) -> list[int]:
    return [worlds.START + round(second * S) for second in seconds]


def rows(entry: str, *units: str, start: float = 100, **given: Any) -> dict[str, Any]:
    """One row a unit, a second apart, decided by an entry."""
    plain = {"entry": [entry] * len(units), "variant": ["champion"] * len(units), "reason": ["rule"] * len(units)}
    return worlds.rows(RUN, list(units), at(*(start + i for i in range(len(units)))), **(plain | given))


def values(
    parts: list[dict[str, Any]],
    *outcomes: dict[str, Any],
    metric: dict[str, Any] | None = None,
    label: bool = False,
    now: float = 1_000_000,
    since: float = 0,
) -> dict[str, Fared]:
    spec = {"kind": "proportion", "outcome": "buy", "within": 60.0, "grace": 10.0} | (metric or {})
    deployment = worlds.deployment(outcomes={"buy": {"label": label}}, metrics={"m": spec})
    source = worlds.source(parts, outcomes)
    return fared(source, measure_of("m", deployment, {}), *at(since), *at(now))


def test_hits_are_rows_and_what_callers_forced_is_apart() -> None:
    parts = [
        rows("a", "u", "v", "u"),
        rows("", "w", start=200, unit_named=[False]),
        rows("", "w", start=300, reason=["override"]),
        rows("a", "x", start=400, role=["shadow"]),
        rows("staff", "ann", start=500, reason=["explicit"]),
    ]
    found, forced = hits_of(worlds.source(parts), *at(0, 1000))
    assert found == {
        "a": Hits(3, 2, *at(100, 102)), "": Hits(1, 0, *at(200, 200)), "staff": Hits(1, 1, *at(500, 500)),
    }  # fmt: skip
    assert forced == 1
    assert hits_of(worlds.source(parts), *at(101, 102)) == ({"a": Hits(2, 2, *at(101, 102))}, 0)


def test_a_unit_counts_in_each_entry_that_took_it_from_its_first_row_there() -> None:
    bought = worlds.outcomes("buy", at(130, 550), unit=["u", "v"])
    found = values([rows("a", "u", "v"), rows("b", "u", "v", start=500)], bought)
    # u buys 30 s after its row in a, long before b took it; v 449 s after its row in a and 49 s after that in b.
    assert {entry: (one.units, one.value) for entry, one in found.items()} == {"a": (2, 0.5), "b": (2, 0.5)}
    assert found["a"].lower == pytest.approx(0.5 - 1.959964 * 0.5, abs=1e-6)
    assert found["a"].upper == pytest.approx(0.5 + 1.959964 * 0.5, abs=1e-6)


def test_only_matured_units_count_and_no_spread_has_no_interval() -> None:
    found = values([rows("a", "u", "v"), rows("b", "w", start=500)], now=571)
    assert found == {"a": Fared(2, 0.0, None, None), "b": Fared(1, 0.0, None, None)}
    assert set(values([rows("a", "u"), rows("b", "w", start=500)], now=569)) == {"a"}
    assert values([rows("a", "u")], since=101) == {}


def test_an_absent_label_is_missing_and_an_absent_outcome_zero() -> None:
    told = worlds.outcomes("buy", at(110), unit=["u"], value_number=[1.0])
    assert values([rows("a", "u", "v")], told, label=True)["a"] == Fared(1, 1.0, None, None)
    assert values([rows("a", "u", "v")], told)["a"].value == 0.5


def test_a_mean_is_capped_and_a_ratio_is_of_totals() -> None:
    paid = worlds.outcomes("buy", at(110, 111), unit=["u", "v"], value_number=[100.0, 4.0])
    found = values([rows("a", "u", "v")], paid, metric={"kind": "mean", "cap": 10.0})
    assert found["a"].value == 7.0
    parts = worlds.outcomes("buy", at(110, 111), unit=["u", "v"], fields=['{"n": 1, "d": 2}', '{"n": 2, "d": 2}'])
    of = {"kind": "ratio", "numerator": "n", "denominator": "d"}
    assert values([rows("a", "u", "v")], parts, metric=of)["a"].value == 0.75
