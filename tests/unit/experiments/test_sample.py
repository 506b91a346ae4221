"""Reduction by stratum, against plain arithmetic on the same units."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from seatrial.experiments.measure import Column, Measure
from seatrial.experiments.sample import take_sample, weight_left
from seatrial.experiments.units import NEVER, Units
from tests import worlds

SECOND = worlds.SECOND
MEASURE = Measure("m", "mean", 60 * SECOND, 10 * SECOND, "")


def column(x: list[float], **given: list[float]) -> Column:
    n = len(x)
    whole: dict[str, list[float]] = {
        "x": x, "y": [1.0] * n, "x_all": x, "y_all": given.get("y", [1.0] * n), "labels": [1.0] * n,
        "wanted": [1.0] * n, "late": [0.0] * n, "early": [0.0] * n,
    }  # fmt: skip
    return Column(**{name: np.asarray(values, dtype=np.float64) for name, values in (whole | given).items()})


def units(variant: str, first: list[float], phase: list[int] | None = None, moved: list[int] | None = None) -> Units:
    """Units from letters: c champion, t challenger, o another."""
    names = {"c": "champion", "t": "challenger", "o": "other"}
    n = len(variant)
    return Units(
        unit=pa.chunked_array([pa.array([f"u{i}" for i in range(n)])]),
        variant=np.array([names[letter] for letter in variant], dtype=object),
        phase=np.array(phase or [1] * n),
        first_at=np.array([worlds.START + round(f * SECOND) for f in first]),
        moved_at=np.array(moved or [NEVER] * n),
    )


def now(seconds: float) -> int:
    return worlds.START + round(seconds * SECOND)


RUN = worlds.release((0.5, 0))


def test_an_effect_is_the_difference_of_the_arms_means() -> None:
    sample = take_sample(units("ccttt", [0, 1, 2, 3, 4]), column([1, 3, 5, 6, 10]), MEASURE, RUN, now(1000))
    assert sample.effect.effect == pytest.approx(7 - 2)
    assert sample.effect.treatment_variance == pytest.approx(np.var([5, 6, 10], ddof=1) / 3)
    assert sample.effect.control_variance == pytest.approx(np.var([1, 3], ddof=1) / 2)


def test_units_wait_until_their_window_and_grace_are_over() -> None:
    exposed = units("cctt", [0, 1, 0, 1])
    sample = take_sample(exposed, column([1, 2, 3, 4]), MEASURE, RUN, now(70))
    assert (sample.effect.n_control, sample.effect.n_treatment, sample.waiting) == (1, 1, 2)
    sample = take_sample(exposed, column([1, 2, 3, 4]), MEASURE, RUN, now(71))
    assert (sample.effect.n_control, sample.effect.n_treatment, sample.waiting) == (2, 2, 0)


def test_units_moved_while_their_window_was_open_are_censored_and_not_those_moved_later() -> None:
    moved = [now(59.9), now(60), now(60), NEVER, NEVER]
    sample = take_sample(units("ccctt", [0] * 5, moved=moved), column([1, 2, 4, 5, 6]), MEASURE, RUN, now(1000))
    assert (sample.censored, sample.effect.n_control, sample.effect.control_mean) == (1, 2, 3.0)


def test_units_of_other_variants_and_unknown_phases_are_not_compared() -> None:
    sample = take_sample(
        units("cctto", [0] * 5, phase=[1, 1, 1, 9, 1]), column([1, 2, 3, 4, 5]), MEASURE, RUN, now(1000)
    )
    assert (sample.effect.n_control, sample.effect.n_treatment) == (2, 1)


def test_a_missing_label_is_missing_and_not_zero() -> None:
    labelled = replace(MEASURE, needs_label=True)
    found = column([1, 0, 1, 1], labels=[1, 0, 1, 1])
    sample = take_sample(units("cctt", [0] * 4), found, labelled, RUN, now(1000))
    assert (sample.missing, sample.effect.n_control) == (1, 1)
    assert sample.coverage is not None
    assert (sample.coverage.control_mean, sample.coverage.treatment_mean) == (0.5, 1.0)


def test_a_cap_holds_for_both_arms_and_the_uncapped_effect_stands_beside() -> None:
    capped = replace(MEASURE, cap=5.0)
    sample = take_sample(units("cctt", [0] * 4), column([1, 100, 3, 7]), capped, RUN, now(1000))
    assert sample.effect.effect == pytest.approx((3 + 5) / 2 - (1 + 5) / 2)
    assert sample.uncapped is not None
    assert sample.uncapped.effect == pytest.approx((3 + 7) / 2 - (1 + 100) / 2)


def test_a_ratio_is_of_totals_not_the_mean_of_ratios() -> None:
    ratio = replace(MEASURE, shape="ratio")
    found = column([1, 3, 2, 2], y=[1, 9, 2, 6])
    sample = take_sample(units("cctt", [0] * 4), found, ratio, RUN, now(1000))
    assert sample.effect.control_mean == pytest.approx(4 / 10)
    assert sample.effect.treatment_mean == pytest.approx(4 / 8)


def test_phases_are_weighted_by_precision_not_added_up() -> None:
    run = worlds.release((0.25, 0), (0.5, 1000))
    variant, first, phase = "ccccct" + "t" + "cccttt", [0.0] * 7 + [2000.0] * 6, [1] * 7 + [2] * 6
    x = [0, 1, 0, 1, 0, 5, 6, 10, 11, 12, 12, 13, 14]
    sample = take_sample(units(variant, first, phase), column(x), MEASURE, run, now(10_000))
    first_effect, second_effect = 5.5 - 0.4, 13 - 11
    weights = 2 * 5 / 7, 3 * 3 / 6
    expected = (weights[0] * first_effect + weights[1] * second_effect) / sum(weights)
    assert sample.effect.effect == pytest.approx(expected)
    assert sample.by_phase[1].effect == pytest.approx(first_effect)
    assert sample.by_phase[2].effect == pytest.approx(second_effect)


def test_counts_for_exact_sequences_are_by_stratum_with_the_weight_that_was_left() -> None:
    run = worlds.release((0.2, 0), (0.5, 100))
    proportion = replace(MEASURE, shape="proportion")
    exposed = units("cctt" + "ct" + "ctt", [0] * 4 + [90] * 2 + [200] * 3, [1] * 6 + [2] * 3)
    sample = take_sample(exposed, column([1, 0, 1, 1, 0, 1, 0, 0, 1]), proportion, run, now(10_000))
    assert [tuple(c) for c in sample.counts] == [
        (2, 2, 1, 2, pytest.approx(0.2)),
        (1, 1, 0, 1, pytest.approx(0.2 / 0.7)),
        (1, 2, 0, 1, pytest.approx(0.5)),
    ]


@pytest.mark.parametrize("shares", [(0.05, 0.5), (0.5, 0.05), (0.1, 0.3, 0.2), (0.2, 0.2)])
def test_the_weight_left_is_the_share_among_units_that_no_later_phase_moves(shares: tuple[float, ...]) -> None:
    run = worlds.release(*((share, 100.0 * i) for i, share in enumerate(shares)))
    names = worlds.unit_names(20_000)
    by_phase = np.array([worlds.assigned(run, names, np.full(len(names), p.number)) for p in run.phases])
    stay = (by_phase == by_phase[0]).all(axis=0)
    share = float((by_phase[0][stay] == "challenger").mean())
    expected = weight_left(run, 1, len(shares) - 1)
    assert expected is not None
    assert abs(share - expected) < 4 * np.sqrt(expected * (1 - expected) / stay.sum())


def test_a_phase_with_one_arm_has_no_weight() -> None:
    assert weight_left(worlds.release((0.0, 0)), 1, 0) is None
    assert weight_left(worlds.release((0.5, 0), (0.0, 10)), 1, 1) is None
