"""Caps that the data fix: by the champion's week before the release, else by the release's own first units."""

from typing import Any

import msgspec
import numpy as np
import pytest

from seatrial.experiments.asks import CAP_NEEDS
from seatrial.experiments.caps import quantile_cap
from seatrial.experiments.judge import judge
from seatrial.experiments.judgement import Judgement
from seatrial.experiments.source import TableSource
from seatrial.spec.deployment import Deployment
from tests import worlds

SECOND = worlds.SECOND
RUN = worlds.release((0.5, 0))
UNITS = 3000
BEFORE = worlds.START - 100_000 * SECOND
"""When the earlier units begin to come, one a second."""


def deployment(**metric: Any) -> Deployment:
    spec = {"kind": "mean", "outcome": "buy", "within": 30.0, "grace": 10.0, "cap_at": 0.999}
    return worlds.deployment(
        outcomes={"buy": {}},
        metrics={"revenue": spec | metric},
        release={
            "of": "challenger",
            "into": "everybody",
            "stages": [{"kind": "test"}],
            "primary": {"metric": "revenue", "minimum_effect": {"relative": 0.01}},
        },
    )


class World:
    """Heavy-tailed totals: of a champion alone before the release, and of both arms in it, one a second."""

    def __init__(self, before: int, units: int = UNITS) -> None:
        rng = np.random.default_rng(1)
        old, new = worlds.unit_names(before, "old"), worlds.unit_names(units)
        then, at = BEFORE + np.arange(before) * SECOND, worlds.START + np.arange(units) * SECOND
        self.old, self.new = rng.lognormal(0, 2, before), rng.lognormal(0, 2, units)
        alone = {
            "variant": np.full(before, "champion", dtype=object),
            "release": [""] * before,
            "contested": np.zeros(before, dtype=bool),
            "phase": np.ones(before, dtype=np.int64),
        }
        rows = [worlds.rows(RUN, new, at)] + ([worlds.rows(RUN, old, then, **alone)] if before else [])
        self.treated = np.asarray(rows[0]["variant"] == "challenger")
        came = [worlds.outcomes("buy", at + SECOND, unit=new, value_number=self.new)]
        if before:
            ids = [f"old-{i}" for i in range(before)]
            came.append(worlds.outcomes("buy", then + SECOND, unit=old, value_number=self.old, id=ids))
        self.source: TableSource = worlds.source(rows, came)

    def judged(self, seconds: int, caps: dict[str, float] | None = None, **metric: Any) -> Judgement:
        run = msgspec.structs.replace(RUN, caps=caps or {})
        return judge(deployment(**metric), run, self.source, worlds.START + seconds * SECOND)


def test_the_cap_is_the_quantile_of_what_came_before_and_stays() -> None:
    world = World(before=4000)
    cap = float(np.quantile(world.old, 0.999, method="inverted_cdf"))
    for seconds in (400, 2000, 4000):
        found = world.judged(seconds)
        assert found.caps["revenue"] == cap
        assert found.metric("revenue").cap == cap
    revenue = found.metric("revenue")
    capped = np.minimum(world.new, cap)
    expected = capped[world.treated].mean() - capped[~world.treated].mean()
    assert revenue.verdict.effect == pytest.approx(expected, rel=1e-9)
    assert revenue.uncapped == pytest.approx(
        world.new[world.treated].mean() - world.new[~world.treated].mean(), rel=1e-9
    )


def test_without_a_past_the_first_thousand_matured_units_fix_it() -> None:
    world = World(before=200)
    early = world.judged(CAP_NEEDS - 10)
    assert "revenue" not in early.caps
    assert early.metric("revenue").verdict.reason == "it waits for 1000 matured units to fix its cap"
    cap = float(np.quantile(world.new[:CAP_NEEDS], 0.999, method="inverted_cdf"))
    for seconds in (CAP_NEEDS + 39, 2000, 4000):
        assert world.judged(seconds).caps["revenue"] == cap


def test_what_the_release_keeps_is_not_moved() -> None:
    assert World(before=4000).judged(2000, {"revenue": 3.5}).metric("revenue").cap == 3.5


def test_a_number_in_the_file_is_the_cap() -> None:
    found = World(before=4000).judged(2000, cap=2.0, cap_at=None)
    assert found.metric("revenue").cap == 2.0
    assert "revenue" not in found.caps


def test_where_hardly_anybody_has_a_total_the_largest_caps() -> None:
    rare = np.zeros(5000)
    rare[:3] = 7.0, 9.0, 8.0
    assert quantile_cap(rare, 0.999) == 9.0
    assert quantile_cap(np.zeros(5000), 0.999) is None
