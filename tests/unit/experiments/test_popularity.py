"""Which items are popular: what is counted, when, and in which order; against the same in plain Python."""

import json
from collections import defaultdict
from math import fsum
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seatrial.experiments.popularity import popular_items
from seatrial.experiments.source import TableSource
from seatrial.releases.popular_files import Scored
from seatrial.routing.snapshot import Popular
from tests.unit.experiments.test_rewards import SECOND, _table, click, row

NOW = 1_000
TERMS = Popular(file="shop/items", outcome="click", within=100.0)


def items(outcomes: list[dict[str, Any]], terms: Popular = TERMS, now: int = NOW) -> list[Scored]:
    import pyarrow as pa

    moment = pa.timestamp("us", "UTC")
    table = _table([{"item": None, "value_number": None, "value_text": None, **one} for one in outcomes], moment)
    for name, kind in {"item": pa.string(), "value_number": pa.float64(), "value_text": pa.string()}.items():
        table = table.set_column(table.column_names.index(name), name, table[name].cast(kind))
    source = TableSource(_table([row("ann", 1)], moment), table)
    try:
        return list(popular_items(source, terms, now * SECOND))
    finally:
        source.close()


def clicks(*named: tuple[str | None, int], **more: Any) -> list[dict[str, Any]]:
    return [click("ann", at, item=item, id=f"{item} {at} {n}", **more) for n, (item, at) in enumerate(named)]


def test_items_are_counted_within_the_window_and_equal_ones_go_by_name() -> None:
    came = clicks(("b", 950), ("a", 950), ("c", 950), ("c", 990), ("d", 900), ("e", 901), ("f", 1000), ("g", 1001))
    assert items(came) == [("c", 2.0), ("a", 1.0), ("b", 1.0), ("e", 1.0), ("f", 1.0)]
    assert items(came, now=1001)[-1] == ("g", 1.0)


def test_what_names_no_item_or_did_not_happen_does_not_count() -> None:
    came = clicks((None, 950), ("", 950)) + clicks(("no", 950), value_number=0.0, value_text="false")
    came += clicks(("word", 950), value_text="yes") + clicks(("yes", 950), value_number=1.0, value_text="true")
    came += clicks(("other", 950), outcome="view")
    assert items(came) == [("word", 1.0), ("yes", 1.0)]


def test_a_field_may_name_the_item_and_another_is_summed() -> None:
    terms = Popular(file="f", outcome="click", within=100.0, item="sku", value="amount", most=2)
    sold = [("a", 1.5), ("a", 2.0), ("b", 9.0), ("c", 1.0), ("d", -4.0), ("e", None), (None, 3.0)]
    came = [
        click("ann", 950, id=str(n), item="x", fields=json.dumps({"sku": sku, "amount": amount}))
        for n, (sku, amount) in enumerate(sold)
    ]
    assert items(came, terms) == [("b", 9.0), ("a", 3.5)]


def test_the_latest_revision_counts_and_a_withdrawn_outcome_is_none() -> None:
    first = clicks(("a", 950), ("b", 950), ("c", 950))
    moved = {**first[0], "item": "z", "received_at": 960 * SECOND}
    gone = {**first[1], "withdrawn": True, "received_at": 960 * SECOND}
    told = [{"withdrawn": False, **one} for one in (*first, moved, gone)]
    assert items(told) == [("c", 1.0), ("z", 1.0)]


OUTCOMES = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", "B", "Zoë", "\U0001f6a2", "\uffff", "", None]),
        st.integers(890, 1_010),
        st.sampled_from([0.0, 1.0, None, -2.0]),
        st.floats(-1e6, 1e6) | st.none(),
        st.integers(1, 3),
    ),
    max_size=30,
)


@settings(max_examples=30)
@given(OUTCOMES, st.integers(1, 5), st.booleans())
def test_the_ledger_counts_as_plain_python_does(
    told: list[tuple[str | None, int, float | None, float | None, int]], most: int, summed: bool
) -> None:
    terms = Popular(file="f", outcome="click", within=100.0, most=most, value="amount" if summed else "")
    came = [
        click("ann", at, id=str(n), item=item, value_number=value, fields=json.dumps({"amount": amount}))
        | {"received_at": (2_000 + n) * SECOND}
        for n, (item, at, value, amount, times) in enumerate(told)
        for _ in range(times)  # sent again: the same outcome
    ]
    worth: dict[str, list[float]] = defaultdict(list)
    for item, at, value, amount, _ in told:
        if item and 900 < at <= 1_000:
            worth[item].append((amount or 0.0) if summed else float(value != 0))
    scores = [(name, fsum(values)) for name, values in worth.items() if fsum(values) > 0]
    found = items(came, terms) if came else []
    if not summed:
        assert found == sorted(scores, key=lambda one: (-one[1], one[0]))[:most]
    else:  # sums of floats are equal up to their last bits, which must not decide a test
        assert [score for _, score in found] == pytest.approx(
            sorted((s for _, s in scores), reverse=True)[:most], abs=1e-6
        )
        assert dict(found).items() <= {name: pytest.approx(score, abs=1e-6) for name, score in scores}.items()


@settings(max_examples=10)
@given(st.permutations([0.1, 0.2, 0.3, 0.4, 1e16, -1e16]))
def test_a_sum_is_the_same_whichever_came_first(amounts: list[float]) -> None:
    terms = Popular(file="f", outcome="click", within=100.0, value="amount")
    came = [click("ann", 950, id=str(n), item="a", fields=json.dumps({"amount": x})) for n, x in enumerate(amounts)]
    assert items(came, terms) == items(sorted(came, key=lambda one: one["fields"]), terms)
