"""The bars of the verdicts, on fewer worlds than the table in the docs: false claims at most alpha and two standard
errors, whatever the values, the share of traffic, the side, and however often one looks.
"""

import pytest

from seatrial.stats.power import Design, plan_proportions
from tests.statistics import figures, ramps
from tests.statistics.false_positives import cell, limit
from tests.statistics.looks import KINDS, SHARES, Kind

SAME = tuple(kind for kind in KINDS if "against" not in kind.name)

pytestmark = pytest.mark.simulation


@pytest.mark.parametrize("kind", SAME, ids=lambda kind: kind.name)
@pytest.mark.parametrize("share", SHARES)
def test_no_true_effect_is_seldom_claimed(kind: Kind, share: float) -> None:
    worlds = 1000 if kind.two_valued else 300
    found = cell(kind, share, worlds=worlds, units=20_000 if kind.two_valued else 10_000)
    for claimed in (found.two_sided, found.above, found.below):
        assert claimed <= limit(worlds), found


def test_the_bar_is_not_met_by_what_it_guards_against() -> None:
    """The same bar fails for a plain Welch error in a canary, and for a fixed test looked at a hundred times."""
    found = cell(Kind("skewed", SAME[0].treatment, SAME[0].control), 0.05, worlds=100)
    assert found.plain_welch > limit(100)
    assert cell(SAME[3], 0.5, worlds=300).peeking > limit(300)


@pytest.mark.parametrize("kinds", [ramps.LIGHT, ramps.HEAVY], ids=["light", "heavy"])
def test_identical_versions_are_seldom_rolled_back_or_called_better(kinds: tuple[Kind, ...]) -> None:
    found = ramps.run(kinds, worlds=100, units=2500, looks=5)
    assert found.rolled_back <= limit(100)
    assert found.called_better <= limit(100)


def test_requests_of_one_unit_are_not_independent_and_are_not_counted_so() -> None:
    found = figures.clustered(worlds=100)
    assert found.by_unit <= limit(100)
    assert found.by_request > 0.3, "the case is hard: requests counted as units claim an effect"


def test_the_planned_units_give_the_planned_power() -> None:
    units = plan_proportions(0.10, 0.08, Design(power=0.8)).always_valid
    assert figures.power(0.10, 0.08, worlds=1000, units=units // 100 * 100) >= 0.8 - 0.026


def test_a_failing_canary_is_caught_in_hundreds_of_units() -> None:
    """0.1 → 0.6 % of units failing: half of all canaries of 5 % are caught by about 800 canary units."""
    assert figures.median_caught(0.001, 0.006, worlds=300, units=40_000) <= 900


def test_sample_ratio_alarms_are_rare_when_right_and_sure_when_wrong() -> None:
    half, canary = (figures.sample_ratio_alarms(w, n, worlds=1000) for w, n in ((0.5, 20_000), (0.05, 50_000)))
    assert max(half.nothing_wrong, canary.nothing_wrong) <= 0.01
    assert half.a_tenth_lost >= 0.95
    assert canary.a_tenth_lost >= 0.90


def test_shadows_alike_are_seldom_told_apart() -> None:
    found = figures.shadows(worlds=200, looks=40)
    assert found.alike <= limit(200)
    assert found.better >= 0.6
