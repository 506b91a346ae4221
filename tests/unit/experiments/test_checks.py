"""Checks of trust: each finds its fault, and passes without it."""

import numpy as np
import pytest

from seatrial.experiments.checks import (
    Losses,
    check_both_arms,
    check_coverage,
    check_dropped,
    check_phases,
    check_sample_ratio,
)
from seatrial.experiments.units import RowCounts
from seatrial.stats.effect import Effect
from seatrial.stats.moments import PairMoments
from tests import worlds

RUN = worlds.release((0.5, 0))


def test_units_in_the_configured_shares_pass() -> None:
    check = check_sample_ratio({1: {"champion": 1010, "challenger": 990}}, RUN)
    assert check.ok
    assert check.withholds
    assert check.value is not None
    assert check.value < 0


def test_an_arm_that_lost_a_tenth_of_its_units_is_found() -> None:
    check = check_sample_ratio({1: {"champion": 10_000, "challenger": 9_000}}, RUN)
    assert not check.ok
    assert "challenger 9000 (expected 9500)" in check.sentence


def test_units_of_a_variant_without_weight_are_found() -> None:
    assert not check_sample_ratio({1: {"champion": 100, "challenger": 100, "legacy": 1}}, RUN).ok


def test_before_any_unit_there_is_nothing_wrong() -> None:
    assert check_sample_ratio({}, RUN).ok


@pytest.mark.parametrize(("dropped", "ok"), [(0, True), (10, True), (11, False)])
def test_more_than_a_thousandth_of_rows_dropped_withholds(dropped: int, ok: bool) -> None:
    rows = RowCounts({"champion": 5_000, "challenger": 4_000}, {"override": 990})
    assert check_dropped(Losses(dropped=dropped), rows, RUN).ok is ok


def test_rows_dropped_in_one_arm_only_withhold_however_few() -> None:
    rows = RowCounts({"champion": 500_000, "challenger": 500_000}, {})
    losses = Losses(dropped=40, by_variant={"challenger": 40})
    check = check_dropped(losses, rows, RUN)
    assert not check.ok
    assert "one arm" in check.sentence
    assert check_dropped(Losses(dropped=40, by_variant={"challenger": 20, "champion": 20}), rows, RUN).ok


def test_rows_dropped_alike_pass_at_every_look() -> None:
    """Whole runs of 40 looks while rows are lost by chance: hardly any says that an arm lost more."""
    rng = np.random.default_rng(7)
    false = 0
    for _ in range(200):
        lost = np.zeros(2, int)
        for look in range(1, 41):
            lost += rng.multinomial(5, [0.7, 0.3])
            rows = RowCounts({"champion": 70_000 * look, "challenger": 30_000 * look}, {})
            arms = {"champion": int(lost[0]), "challenger": int(lost[1])}
            losses = Losses(dropped=int(lost.sum()), by_variant=arms)
            if not check_dropped(losses, rows, RUN).ok:
                false += 1
                break
    assert false <= 1


def test_no_rows_at_all_pass() -> None:
    assert check_dropped(Losses(), RowCounts({}, {}), RUN).ok


def test_a_unit_in_both_arms_withholds() -> None:
    assert check_both_arms(0).ok
    assert not check_both_arms(1).ok


def coverage(challenger: float, champion: float, n: int = 1000) -> Effect:
    def arm(share: float) -> PairMoments:
        labels = np.zeros(n)
        labels[: round(share * n)] = 1
        return PairMoments.from_values(labels, np.ones(n))

    return Effect.of_ratios(arm(challenger), arm(champion), two_valued=True)


@pytest.mark.parametrize(
    ("challenger", "champion", "n", "ok"),
    [(0.9, 0.9, 1000, True), (1.0, 1.0, 1000, True), (0.7, 0.9, 1000, False), (0.7, 0.9, 90, True), (0, 1, 500, False)],
)
def test_unequal_shares_of_labels_withhold(challenger: float, champion: float, n: int, ok: bool) -> None:
    check = check_coverage({"accuracy": coverage(challenger, champion, n)}, RUN)
    assert check.ok is ok
    assert check.withholds


def test_without_labels_there_is_no_coverage_to_check() -> None:
    check = check_coverage({}, RUN)
    assert check.ok
    assert check.value is None


def test_phases_that_disagree_only_warn() -> None:
    assert check_phases({}).ok
    assert not check_phases({}).withholds
