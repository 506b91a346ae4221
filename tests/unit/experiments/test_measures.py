"""What is measured, by hand: windows, arrivals, joins, absent outcomes and missing labels, kind by kind."""

import json
from typing import Any

import numpy as np
import pytest

from seatrial.experiments.answer_measures import answer_window, error_measures, latency_measure
from seatrial.experiments.declared_measures import declared_measures
from seatrial.experiments.measure import Column
from seatrial.experiments.question import read
from seatrial.experiments.row_columns import answer_column
from seatrial.spec.errors import BadInput
from tests import worlds

RUN = worlds.release((0.5, 0))
NOW = worlds.START + 100_000 * worlds.SECOND
BUY = {"outcome": "buy", "within": 60.0, "grace": 10.0}


def at(*seconds: float) -> list[int]:
    return [worlds.START + round(second * worlds.SECOND) for second in seconds]


def measured(spec: dict[str, Any], rows: dict[str, Any], *outcomes: dict[str, Any], label: bool = False) -> Column:
    """The numbers of one declared metric, units in order of exposure."""
    deployment = worlds.deployment(outcomes={spec["outcome"]: {"label": label}}, metrics={"m": spec})
    measures = declared_measures(deployment, RUN)
    return read(worlds.source([rows], outcomes), RUN, measures, NOW)[1]["m"]


def units(*names: str, **given: Any) -> dict[str, Any]:
    """One row a unit, exposed at 100, 101, ..."""
    return worlds.rows(RUN, list(names), at(*(100 + i for i in range(len(names)))), **given)


def test_a_mean_sums_a_unit_s_outcomes_and_absent_is_zero() -> None:
    bought = worlds.outcomes("buy", at(110, 120, 130), unit=["a", "a", "c"], value_number=[2.0, 3.0, 7.0])
    assert measured({"kind": "mean", **BUY}, units("a", "b", "c"), bought).x.tolist() == [5.0, 0.0, 7.0]


def test_a_mean_of_outcomes_without_a_value_counts_them() -> None:
    clicked = worlds.outcomes("buy", at(110, 120), unit=["a", "a"])
    assert measured({"kind": "mean", **BUY}, units("a"), clicked).x.tolist() == [2.0]


def test_a_mean_of_a_field_adds_numbers_and_is_unknown_with_what_is_none() -> None:
    metric = {"kind": "mean", "value": "amount", **BUY}
    numbers = [json.dumps({"amount": value}) for value in (2.5, True)]
    bought = worlds.outcomes("buy", at(110, 111), unit=["a"] * 2, fields=numbers)
    assert measured(metric, units("a"), bought).x.tolist() == [3.5]
    for none in (*(json.dumps({"amount": value}) for value in (None, "x", 1e999)), "{}"):
        bought = worlds.outcomes("buy", at(110, 111, 112), unit=["a"] * 3, fields=[*numbers, none])
        assert np.isnan(measured(metric, units("a"), bought).x).tolist() == [True]


def test_a_field_may_have_any_name() -> None:
    bought = worlds.outcomes("buy", at(110), unit=["a"], fields=[json.dumps({"net. amount": 4})])
    assert measured({"kind": "mean", "value": "net. amount", **BUY}, units("a"), bought).x.tolist() == [4.0]


@pytest.mark.parametrize(
    ("value", "happened"),
    [
        ({}, 1.0),
        ({"value_number": [0.0]}, 0.0),
        ({"value_number": [3.0]}, 1.0),
        ({"value_text": ["false"]}, 0.0),
        ({"value_text": ["gold"]}, 1.0),
    ],
)
def test_a_proportion_counts_units_to_whom_it_happened(value: dict[str, Any], happened: float) -> None:
    bought = worlds.outcomes("buy", at(110), unit=["a"], **value)
    assert measured({"kind": "proportion", **BUY}, units("a", "b"), bought).x.tolist() == [happened, 0.0]


def test_a_proportion_counts_a_unit_once() -> None:
    bought = worlds.outcomes("buy", at(110, 111, 112), unit=["a"] * 3)
    assert measured({"kind": "proportion", **BUY}, units("a"), bought).x.tolist() == [1.0]


def test_a_ratio_sums_both_fields_by_unit() -> None:
    fields = [json.dumps({"amount": a, "items": i}) for a, i in ((10, 2), (20, 3), (5, 1))]
    bought = worlds.outcomes("buy", at(110, 111, 112), unit=["a", "a", "b"], fields=fields)
    spec = {"kind": "ratio", "numerator": "amount", "denominator": "items", **BUY}
    found = measured(spec, units("a", "b", "c"), bought)
    assert found.x.tolist() == [30.0, 5.0, 0.0]
    assert found.y.tolist() == [5.0, 1.0, 0.0]


@pytest.mark.parametrize(
    ("event", "arrival", "counted", "ever", "late", "early"),
    [
        (110, 110, 1, 1, 0, 0),
        (160, 170, 1, 1, 0, 0),  # both at their last moment
        (160, 170.000001, 0, 1, 1, 0),  # arrived after maturity: in fixed analyses only
        (160.000001, 161, 0, 0, 0, 0),  # happened after the window
        (-200, 110, 1, 1, 0, 0),  # five minutes before: within the tolerated skew
        (-200.000001, 110, 0, 0, 0, 1),
    ],
)
def test_event_time_decides_the_window_and_arrival_whether_it_was_there(
    event: float, arrival: float, counted: int, ever: int, late: int, early: int
) -> None:
    bought = worlds.outcomes("buy", at(event), unit=["a"], received_at=at(arrival))
    found = measured({"kind": "mean", **BUY}, units("a"), bought)
    assert (found.x[0], found.x_all[0], found.late[0], found.early[0]) == (counted, ever, late, early)


@pytest.mark.parametrize(
    ("revised_at", "value", "withdrawn", "counted", "ever", "late"),
    [
        (165, 5.0, False, 5, 5, 0),  # before maturity the revision counts
        (165, None, True, 0, 0, 0),
        (171, 5.0, False, 2, 5, 1),  # afterwards what stood at maturity does, and the revision in fixed analyses only
        (171, None, True, 2, 0, 0),
        (171, 2.0, False, 2, 2, 0),  # a repeat is no revision
        (200_000, 5.0, False, 2, 2, 0),  # nobody knows the future
    ],
)
def test_a_revision_after_maturity_changes_no_matured_number(
    revised_at: float, value: float | None, withdrawn: bool, counted: int, ever: int, late: int
) -> None:
    posts = worlds.outcomes(
        "buy", at(110, 110), id=["x", "x"], unit=["a", "a"], value_number=[2.0, value], withdrawn=[False, withdrawn],
        received_at=at(111, revised_at),
    )  # fmt: skip
    found = measured({"kind": "mean", **BUY}, units("a"), posts)
    assert (found.x[0], found.x_all[0], found.late[0]) == (counted, ever, late)


@pytest.mark.parametrize(("revised_at", "right", "ever", "late"), [(165, 0, 0, 0), (171, 1, 0, 0)])
def test_a_label_corrected_after_maturity_stays_as_it_was(revised_at: float, right: int, ever: int, late: int) -> None:
    rows = units("a", **{"prediction.label": [1]})
    posts = worlds.outcomes(
        "buy", at(110, 110), id=["x", "x"], unit=["a"] * 2, value_number=[1.0, 0.0], received_at=at(111, revised_at)
    )
    found = measured(ACCURACY, rows, posts)
    assert (found.x[0], found.y[0], found.x_all[0], found.y_all[0], found.late[0]) == (right, 1, ever, 1, late)


def test_the_window_starts_at_the_first_exposure_not_at_later_ones() -> None:
    rows = worlds.rows(RUN, ["a", "a"], at(100, 150))
    bought = worlds.outcomes("buy", at(170), unit=["a"])
    assert measured({"kind": "mean", **BUY}, rows, bought).x.tolist() == [0.0]


def test_outcomes_of_a_request_belong_to_its_unit() -> None:
    rows = units("a", "b", request_id=["r", "s"])
    bought = worlds.outcomes("buy", at(110, 111), request_id=["s", "nobody's"], value_number=[4.0, 9.0])
    assert measured({"kind": "mean", **BUY}, rows, bought).x.tolist() == [0.0, 4.0]


def test_instances_with_their_own_units_are_told_apart_by_row_and_by_key() -> None:
    rows = units("a", "b", "c", request_id=["r"] * 3, row=[0, 1, 2], key=["x", "y", "z"])
    bought = worlds.outcomes(
        "buy", at(110, 111), request_id=["r", "r"], row=[1, None], key=[None, "z"], value_number=[4.0, 5.0]
    )
    assert measured({"kind": "mean", **BUY}, rows, bought).x.tolist() == [0.0, 4.0, 5.0]


def test_an_outcome_of_a_request_of_several_units_belongs_to_none() -> None:
    rows = units("a", "b", request_id=["r"] * 2, row=[0, 1])
    bought = worlds.outcomes("buy", at(110), request_id=["r"], value_number=[4.0])
    assert measured({"kind": "mean", **BUY}, rows, bought).x.tolist() == [0.0, 0.0]


def test_an_outcome_of_a_key_belongs_to_the_unit_of_that_key() -> None:
    rows = units("a", "b", key=["x", "y"])
    bought = worlds.outcomes("buy", at(110), key=["y"], value_number=[4.0])
    assert measured({"kind": "mean", **BUY}, rows, bought).x.tolist() == [0.0, 4.0]


@pytest.mark.parametrize("by", ["key", "request_id"])
@pytest.mark.parametrize(("second", "kept"), [(105, 0.0), (110, 0.0), (110.001, 4.0), (169, 4.0), (5000, 4.0)])
def test_whose_an_outcome_is_was_settled_when_it_came(by: str, second: float, kept: float) -> None:
    """Rows of the same key that come later are of no matter, as of somebody else who looks at it again."""
    rows = worlds.rows(RUN, ["a", "clerk"], at(100, second), reason=["split", "override"], **{by: ["x", "x"]})
    bought = worlds.outcomes("buy", at(110), value_number=[4.0], **{by: ["x"]})
    assert measured({"kind": "mean", **BUY}, rows, bought).x.tolist() == [kept]


@pytest.mark.parametrize(
    ("second", "x", "x_all", "late"),
    [(130, 4.0, 4.0, 0), (170, 4.0, 4.0, 0), (171, 0.0, 4.0, 1), (420, 0.0, 4.0, 1), (420.001, 0.0, 0.0, 0)],
)
def test_an_outcome_before_any_row_of_its_key_has_come_with_the_first_within_five_minutes(
    second: float, x: float, x_all: float, late: float
) -> None:
    rows = worlds.rows(RUN, ["a", "a", "b"], at(100, second, second + 1), key=[None, "x", "x"])
    found = measured({"kind": "mean", **BUY}, rows, worlds.outcomes("buy", at(120), key=["x"], value_number=[4.0]))
    assert (found.x[0], found.x_all[0], found.late[0]) == (x, x_all, late)
    assert not found.x_all[1:].any()


def test_an_outcome_before_rows_of_two_units_at_one_moment_belongs_to_none() -> None:
    rows = worlds.rows(RUN, ["a", "b"], at(100, 100), key=["x", "x"])
    found = measured({"kind": "mean", **BUY}, rows, worlds.outcomes("buy", at(99), key=["x"], value_number=[4.0]))
    assert found.x_all.tolist() == [0.0, 0.0]


def test_other_outcomes_do_not_count() -> None:
    bought = worlds.outcomes("browse", at(110), unit=["a"], value_number=[4.0])
    assert measured({"kind": "mean", **BUY}, units("a"), bought).x.tolist() == [0.0]


def test_a_label_that_is_absent_is_missing() -> None:
    churned = worlds.outcomes("buy", at(110), unit=["a"], value_number=[0.0])
    found = measured({"kind": "proportion", **BUY}, units("a", "b"), churned, label=True)
    assert found.x.tolist() == [0.0, 0.0]
    assert found.labels.tolist() == [1.0, 0.0]


ACCURACY = {"kind": "accuracy", **BUY}


@pytest.mark.parametrize(
    ("answers", "values"),
    [
        ([3, 4], {"value_number": [3.0, 5.0]}),
        (["cat", "dog"], {"value_text": ["cat", "cow"]}),
        ([True, False], {"value_number": [1.0, 1.0]}),
        (["3", "4"], {"value_number": [3.0, 5.0]}),
        ([3, 4], {"value_text": ["3", "5"]}),
        ([1, 0], {"value_number": [1.0, 1.0], "value_text": ["true", "true"]}),  # a boolean, as the ledger keeps it
        ([1, 0], {"value_text": ["true", "true"]}),
        ([True, False], {"value_number": [1.0, 1.0], "value_text": ["true", "true"]}),
        (["True", "False"], {"value_number": [1.0, 1.0], "value_text": ["true", "true"]}),
        (["cat", "Cat"], {"value_text": ["cat", "cat"]}),
    ],
)
def test_accuracy_counts_rows_whose_label_equals_the_answer(answers: list[Any], values: dict[str, Any]) -> None:
    rows = worlds.rows(RUN, ["a", "a"], at(100, 101), **{"prediction.label": answers})
    labels = worlds.outcomes("buy", at(110, 111), request_id=rows["request_id"], **values)
    found = measured(ACCURACY, rows, labels)
    assert (found.x.tolist(), found.y.tolist(), found.wanted.tolist()) == ([1.0], [2.0], [2.0])


def test_accuracy_reads_a_field() -> None:
    rows = units("a", **{"prediction.label": [7]})
    labels = worlds.outcomes("buy", at(110), unit=["a"], fields=['{"digit": 7}'])
    assert measured({**ACCURACY, "value": "digit"}, rows, labels).x.tolist() == [1.0]


def test_a_boolean_field_is_the_label_of_a_model_of_zeros_and_ones() -> None:
    rows = units("a", "b", **{"prediction.label": [1, 1]})
    labels = worlds.outcomes("buy", at(110, 111), unit=["a", "b"], fields=['{"left": true}', '{"left": false}'])
    assert measured({**ACCURACY, "value": "left"}, rows, labels).x.tolist() == [1.0, 0.0]


def test_a_label_of_a_unit_is_that_of_all_its_rows() -> None:
    rows = worlds.rows(RUN, ["a", "a", "b"], at(100, 101, 102), **{"prediction.label": [1, 0, 1]})
    labels = worlds.outcomes("buy", at(110), unit=["a"], value_number=[1.0])
    found = measured(ACCURACY, rows, labels)
    assert (found.x.tolist(), found.y.tolist()) == ([1.0, 0.0], [2.0, 0.0])


def test_three_labels_by_key_join_three_of_fifty_instances() -> None:
    n = 50
    rows = worlds.rows(
        RUN, ["a"] * n, at(*[100] * n), request_id=["r"] * n, row=range(n), key=[f"k{i}" for i in range(n)],
        **{"prediction.label": [1] * n},
    )  # fmt: skip
    labels = worlds.outcomes(
        "buy", at(110, 111, 112), request_id=["r"] * 3, key=["k3", "k7", "k49"], value_number=[1.0, 0.0, 1.0]
    )
    found = measured(ACCURACY, rows, labels)
    assert (found.x.tolist(), found.y.tolist(), found.wanted.tolist()) == ([2.0], [3.0], [50.0])


def test_the_label_that_arrived_last_before_maturity_counts() -> None:
    rows = units("a", **{"prediction.label": [1]})
    labels = worlds.outcomes(
        "buy", at(110, 111, 112), unit=["a"] * 3, value_number=[1.0, 0.0, 1.0], received_at=at(110, 165, 999)
    )
    found = measured(ACCURACY, rows, labels)
    assert (found.x.tolist(), found.x_all.tolist()) == ([0.0], [1.0])


def test_what_nobody_answered_is_wrong() -> None:
    rows = units("a", **{"prediction.label": [None], "status": ["error"], "answered_by": ["none"]})
    labels = worlds.outcomes("buy", at(110), unit=["a"], value_number=[1.0])
    found = measured(ACCURACY, rows, labels)
    assert (found.x.tolist(), found.y.tolist()) == ([0.0], [1.0])


def test_rows_after_the_window_are_not_measured() -> None:
    rows = worlds.rows(RUN, ["a", "a"], at(100, 161), **{"prediction.label": [1, 1]})
    labels = worlds.outcomes("buy", at(110, 162), request_id=rows["request_id"], value_number=[1.0, 1.0])
    found = measured(ACCURACY, rows, labels)
    assert (found.y.tolist(), found.wanted.tolist()) == ([1.0], [1.0])


def test_answers_whose_type_changed_are_read_from_all_their_columns() -> None:
    columns: dict[str, Any] = {"prediction.label": [1, None], "prediction.label#string": [None, "two"]}
    rows = worlds.rows(RUN, ["a", "b"], at(100, 101), **columns)
    labels = worlds.outcomes("buy", at(110, 111), unit=["a", "b"], value_number=[1.0, None], value_text=[None, "two"])
    assert measured(ACCURACY, rows, labels).x.tolist() == [1.0, 1.0]


def test_without_logged_answers_there_is_no_answer_column() -> None:
    assert answer_column(worlds.source([units("a")])) is None


@pytest.mark.parametrize(
    ("status", "answered_by", "failed"),
    [
        ("ok", "assigned", 0),
        ("ok", "cache", 0),
        ("timeout", "default", 1),
        ("error", "fallback", 1),
        ("shed", "none", 1),
        ("miss", "default", 0),
        ("miss", "fallback", 1),
        ("miss", "none", 1),
    ],
)
def test_errors_count_failures_and_whoever_answered_instead(status: str, answered_by: str, failed: int) -> None:
    rows = worlds.rows(RUN, ["a"] * 3, at(100, 101, 170), status=["ok", status, "error"],
                       answered_by=["assigned", answered_by, "none"])  # fmt: skip
    columns = read(worlds.source([rows]), RUN, error_measures(worlds.deployment()), NOW)[1]
    assert columns["errors"].x.tolist() == [failed]
    assert (columns["error_rate"].x.tolist(), columns["error_rate"].y.tolist()) == ([failed], [2.0])


def test_latency_counts_requests_slower_than_each_arm_s_threshold() -> None:
    rows = worlds.rows(
        RUN, ["a", "a", "b", "b"], at(100, 101, 102, 103), latency_us=[1000, 1001, 1001, 1101],
        variant=["champion", "champion", "challenger", "challenger"],
    )  # fmt: skip
    measure = latency_measure("p99", worlds.deployment(), RUN, 1000, 1100)
    found = read(worlds.source([rows]), RUN, [measure], NOW)[1]["p99"]
    assert (found.x.tolist(), found.y.tolist()) == ([1.0, 1.0], [2.0, 2.0])


def test_answers_are_measured_for_a_minute_or_the_shortest_window() -> None:
    metrics = {"m": {"kind": "mean", "outcome": "buy", "within": 5.0}}
    assert answer_window(worlds.deployment()) == 60.0
    assert answer_window(worlds.deployment(metrics=metrics)) == 5.0


def test_a_metric_without_a_window_is_refused() -> None:
    deployment = worlds.deployment(metrics={"m": {"kind": "mean", "outcome": "buy"}})
    with pytest.raises(BadInput, match="'m'"):
        declared_measures(deployment, RUN)
