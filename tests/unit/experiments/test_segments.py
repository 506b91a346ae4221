"""Segments of units by a context key: who is in them, what is shown, how seldom chance is taken for a difference."""

import msgspec
import numpy as np
import pytest

from seatrial.experiments.segments import MISSING, MOST, MetricSegments, segment
from seatrial.experiments.source import TableSource
from seatrial.spec.deployment import Deployment
from seatrial.spec.errors import BadInput
from seatrial.stats.effect import Effect
from seatrial.stats.moments import Moments
from seatrial.stats.segments import compare_segments
from tests import worlds

SECOND = worlds.SECOND
RUN = worlds.release((0.5, 0))
END = worlds.START + 1000 * SECOND
DEPLOYMENT = worlds.deployment(
    context={"country": {"kind": "string", "optional": True}, "age": {"kind": "integer"}},
    outcomes={"buy": {}},
    metrics={"revenue": {"kind": "mean", "outcome": "buy", "within": 30.0, "grace": 10.0}},
    release={
        "of": "challenger",
        "into": "everybody",
        "stages": [{"kind": "test"}],
        "primary": {"metric": "revenue", "minimum_effect": {"absolute": 0.01}},
        "guardrails": {"errors": {"absolute": 0.5}},
    },
)


class World:
    def __init__(self, countries: list[str | None], *, gain: dict[str, float] | None = None, seed: int = 1) -> None:
        n = len(countries)
        names = worlds.unit_names(n)
        rows = worlds.rows(RUN, names, np.full(n, worlds.START)) | {"context.country": countries}
        self.countries = np.array(countries, dtype=object)
        self.treated = np.asarray(rows["variant"] == "challenger")
        more = np.array([(gain or {}).get(str(c), 0.0) for c in countries])
        self.spent = np.random.default_rng(seed).normal(10, 1, n) + self.treated * more
        bought = worlds.outcomes("buy", np.full(n, worlds.START + SECOND), unit=names, value_number=self.spent)
        self.source: TableSource = worlds.source([rows], [bought])

    def revenue(self, deployment: Deployment = DEPLOYMENT) -> MetricSegments:
        found = segment(deployment, RUN, self.source, END, "context.country")
        assert [metric.metric for metric in found] == ["revenue", "errors"]
        return found[0]

    def effect(self, country: str) -> Effect:
        x, t = self.spent[self.countries == country], self.treated[self.countries == country]
        return Effect.of_means(Moments.from_values(x[t]), Moments.from_values(x[~t]))


def drawn(n: int, seed: int = 2) -> list[str | None]:
    rng = np.random.default_rng(seed)
    return [str(c) for c in rng.choice(["DE", "FR", "US"], n, p=[0.5, 0.3, 0.2])]


def test_each_segment_is_its_own_units_drawn_towards_the_others() -> None:
    world = World(drawn(4000), gain={"DE": 1.0})
    found = world.revenue()
    expected = compare_segments({c: world.effect(c) for c in ("DE", "FR", "US")})
    assert [one.name for one in found.segments] == ["DE", "FR", "US"], "the largest first"
    for one, other in zip(found.segments, expected.segments, strict=True):
        numbers = (one.effect, one.shrunk, one.lower, one.upper)
        assert numbers == pytest.approx((other.effect, other.shrunk, *other.interval), rel=1e-9)
        assert one.p_value == pytest.approx(other.p_value, rel=1e-6)
        assert one.champion + one.challenger == int((world.countries == one.name).sum())
    assert found.segments[0].differs
    assert "DE (+" in found.sentence
    assert "Segments never decide" in found.sentence


def test_a_missing_value_is_a_segment_and_a_small_one_says_nothing() -> None:
    world = World([*drawn(2000), *[None] * 600, *["LI"] * 50])
    found = {one.name: one for one in world.revenue().segments}
    assert found[MISSING].effect is not None
    assert (found["LI"].effect, found["LI"].shrunk) == (None, None)
    assert found["LI"].champion + found["LI"].challenger == 50


def test_the_value_is_the_one_of_the_first_exposing_request() -> None:
    n = 600
    first, later = World(["DE"] * n), worlds.unit_names(n)
    rows = worlds.rows(RUN, later, np.full(n, worlds.START + SECOND), request_id=[f"later-{i}" for i in range(n)])
    both = worlds.source(
        [
            worlds.rows(RUN, later, np.full(n, worlds.START)) | {"context.country": ["DE"] * n},
            rows | {"context.country": ["FR"] * n},
        ]
    )
    (revenue, _) = segment(DEPLOYMENT, RUN, both, END, "context.country")
    assert [one.name for one in revenue.segments] == ["DE"]
    assert first.revenue().segments[0].champion == revenue.segments[0].champion


def test_no_true_difference_is_seldom_taken_for_one() -> None:
    """Twenty worlds of eight segments, at a false-discovery rate of 5 %: four with any come once in sixty times."""
    alarms = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        world = World(
            [str(c) for c in rng.integers(0, 8, 2400)], gain=dict.fromkeys(map(str, range(8)), 0.3), seed=seed
        )
        alarms += any(one.differs for one in world.revenue().segments)
    assert alarms <= 3


def test_a_key_of_too_many_values_is_refused() -> None:
    with pytest.raises(BadInput, match=f"has {MOST + 1} values"):
        World([str(i % (MOST + 1)) for i in range(400)]).revenue()


def test_an_unknown_key_is_refused_with_the_nearest() -> None:
    with pytest.raises(BadInput, match=r"did you mean `context\.country`"):
        segment(DEPLOYMENT, RUN, World(drawn(10)).source, END, "context.countri")


def test_before_the_first_exposure_there_is_nothing_to_compare() -> None:
    run = msgspec.structs.replace(RUN, phases=(), stage="shadow")
    with pytest.raises(BadInput, match="no unit has been exposed"):
        segment(DEPLOYMENT, run, World(drawn(10)).source, END, "context.country")


def test_few_units_are_said() -> None:
    assert "no segment of context.country has 100 senders in each arm yet" in World(drawn(60)).revenue().sentence


def test_segments_are_json_and_come_back_the_same() -> None:
    found = World(drawn(2000)).revenue()
    assert msgspec.json.decode(msgspec.json.encode(found), type=MetricSegments) == found
