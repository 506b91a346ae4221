"""A share of units in all variants of an experiment at once: one chi-squared test of r rows by two columns. One look.

Shown beside the comparisons and never acted on: that something differs does not say which variant does.

References:
    Pearson (1900), On the criterion that a given system of deviations..., Philosophical Magazine 50.
"""

from collections.abc import Mapping, Sequence

import msgspec
from scipy.special import chdtrc

from seatrial.stats.chi_squared import chi_squared
from seatrial.stats.interval import TestResult

LEAST = 3
"""Variants; of two the comparison itself has the test."""


class AllVariants(msgspec.Struct, frozen=True, kw_only=True):
    """One share over all variants.

    Attributes:
        metric: Its name.
        events: Units with the event, by variant, over all phases.
        units: Units counted, by variant.
        test: Chi-squared over all of them; over several phases within each.
        sentence: All of it in one sentence.
    """

    metric: str
    events: dict[str, int]
    units: dict[str, int]
    test: TestResult
    sentence: str


def all_variants(metric: str, phases: Sequence[Mapping[str, tuple[int, int]]]) -> AllVariants | None:
    """The test over every variant; None with fewer than three.

    Args:
        metric: Its name.
        phases: By variant units with the event and all, of each phase of constant weights.
    """
    names = sorted({name for phase in phases for name, (_, n) in phase.items() if n})
    if len(names) < LEAST:
        return None
    tests = [chi_squared([[x, n - x] for x, n in phase.values()]) for phase in phases if phase]
    return _told(metric, phases, names, _together(tests))


def _together(tests: Sequence[TestResult]) -> TestResult:
    """Statistics and degrees of freedom of independent tables add up."""
    known = [(one.statistic, one.degrees) for one in tests if one.statistic is not None and one.degrees is not None]
    if len(tests) == 1 or not known:
        return tests[0]
    statistic, degrees = (sum(part) for part in zip(*known, strict=True))
    return msgspec.structs.replace(
        tests[0],
        statistic=statistic,
        degrees=degrees,
        p_value=float(chdtrc(degrees, statistic)),
        note="Holds for one look at a planned end; within each phase, added up.",
    )


def _told(
    metric: str, phases: Sequence[Mapping[str, tuple[int, int]]], names: Sequence[str], test: TestResult
) -> AllVariants:
    events = {name: sum(phase.get(name, (0, 0))[0] for phase in phases) for name in names}
    units = {name: sum(phase.get(name, (0, 0))[1] for phase in phases) for name in names}
    shares = ", ".join(f"{name} {events[name] / units[name]:.2%}" for name in names)
    known = test.statistic is not None and test.p_value is not None
    found = f"chi-squared {test.statistic:.4g} of {test.degrees:.0f} degrees, p {test.p_value:.3g}" if known else ""
    return AllVariants(
        metric=metric,
        events=events,
        units=units,
        test=test,
        sentence=f"{metric} over all {len(names)} variants: {shares} ({found or 'nothing varies yet'}; for one look, "
        "shown beside, never acted on).",
    )
