"""The page of a release, and its units as they came beside what its weights made expected."""

from pathlib import Path

import numpy as np
import pytest

from seatrial.analysis.release_page import release_page
from seatrial.control.judging import declared_segments, judge_now, release_report, segments_now
from seatrial.experiments.arrivals import arrivals
from seatrial.experiments.segments import MetricSegments, SegmentEffect
from tests import worlds
from tests.houses import TEST_ONLY, lived_in
from tests.unit.analysis.test_page import charts_of
from tests.unit.control.test_powering import judged

SECOND = worlds.SECOND


def test_units_are_counted_once_beside_what_the_weights_of_their_phase_make_expected() -> None:
    run = worlds.release((0.5, 0))
    n = 400
    rng = np.random.default_rng(1)
    variant = np.where(rng.random(n) < 0.5, "challenger", "champion").astype(object)
    at = worlds.START + np.arange(n) * SECOND
    rows = worlds.rows(run, worlds.unit_names(n), at, variant=variant)
    again = worlds.rows(run, worlds.unit_names(n), at + 5 * SECOND, variant=variant)
    found = arrivals(worlds.source([rows, again]), run, worlds.START + n * SECOND)
    assert sum(one.units for one in found) == n
    assert sum(one.units for one in found if one.variant == "challenger") == (variant == "challenger").sum()
    for one in found:
        total = sum(other.units for other in found if other.at == one.at)
        assert one.expected == pytest.approx(total / 2)
    assert 3 < len({one.at for one in found}) <= 80


def test_a_release_page_draws_effects_looks_and_units() -> None:
    now = judged(0.3)
    run = worlds.release((0.5, 0))
    rows = worlds.rows(
        run,
        worlds.unit_names(50),
        worlds.START + np.arange(50) * SECOND,
        variant=np.array(["champion", "challenger"] * 25, dtype=object),
    )
    came = arrivals(worlds.source([rows]), run, worlds.START + 60 * SECOND)
    html = release_page(now, [judged(0.1, units=1000), judged(0.2, units=2000)], came)
    assert len(charts_of(html)) == 4
    assert "<h1>churn</h1>" in html
    assert len(charts_of(release_page(now, [], ()))) == 1


def test_segments_stand_on_the_page_with_their_sentence() -> None:
    known = SegmentEffect(
        name="DE", champion=300, challenger=310, effect=0.4, shrunk=0.2, lower=-0.1, upper=0.5, p_value=0.2
    )
    found = MetricSegments(
        metric="revenue", by="context.country", common=0.1, spread=0.1, p_value=0.3, sentence="Segments never decide.",
        segments=(known, SegmentEffect(name="FR", champion=3, challenger=4)),
    )  # fmt: skip
    html = release_page(judged(0.3), [], (), [found])
    assert len(charts_of(html)) == 2
    assert "revenue by context.country" in html
    assert "Segments never decide." in html
    assert "FR" in html


def test_the_files_segments_are_shown_with_every_judgement(tmp_path: Path) -> None:
    text = TEST_ONLY.replace("  of: challenger", "  of: challenger\n  segments: [context.country]", 1)
    assert text != TEST_ONLY
    text = text.replace("task:", "context: {country: optional string}\ntask:", 1)
    with lived_in(tmp_path / "home", text) as (house, _):
        assert declared_segments(house.settings, "churn") == ("context.country",)
        (first, *_) = segments_now(house.settings, "churn", "context.country")
        assert first.by == "context.country"
        html = release_report(house.settings, "churn", judge_now(house.settings, "churn"), [first])
    assert "by context.country" in html


def test_a_release_on_a_machine_is_reported_from_its_state_and_ledger(tmp_path: Path) -> None:
    with lived_in(tmp_path / "home") as (house, _):
        judgement = house.judgement("churn")
        assert judgement is not None
        html = release_report(house.settings, "churn", judgement)
    assert judgement.sentence.split(":")[0].lower() in html.lower()
    assert len(charts_of(html)) >= 1
