"""Law: a judgement made of what was remembered and what is new is the one that reading everything gives."""

import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from hypothesis import given, settings
from hypothesis import strategies as st

from seatrial.experiments.answer_measures import error_measures
from seatrial.experiments.census import take_census
from seatrial.experiments.declared_measures import declared_measures
from seatrial.experiments.measure import COLUMNS
from seatrial.experiments.narrowed import shared_ids
from seatrial.experiments.question import outcomes_of, read
from seatrial.experiments.remembered import Limits, read_again
from seatrial.experiments.sample import take_sample
from seatrial.experiments.source import TableSource
from seatrial.experiments.summed import sample_of
from seatrial.experiments.sums import is_summed
from seatrial.experiments.unit_shelf import DiskShelves
from seatrial.ledger.rows import ALIAS
from seatrial.releases.run import ReleaseRun
from tests import worlds
from tests.laws.test_sums import assert_alike, told

SECOND = worlds.SECOND
TICK = 10 * SECOND
"""Of the worlds below: with it, an outcome's first row may be too late to say whose it is (``units.SKEW``)."""
WINDOW = {"within": 200.0, "grace": 50.0}
DEPLOYMENT = worlds.deployment(
    context={"age": {"kind": "number", "optional": True}},
    outcomes={"digit": {"label": True}, "buy": {}, "refund": {}},
    metrics={
        "accuracy": {"kind": "accuracy", "outcome": "digit", **WINDOW},
        "auc": {"kind": "auc", "outcome": "digit", "positive": "1", **WINDOW},
        "revenue": {"kind": "mean", "outcome": "buy", "covariates": ["context.age"], **WINDOW},
        "conversion": {"kind": "proportion", "outcome": "buy", **WINDOW},
        "refunds": {"kind": "mean", "outcome": "refund", "value": "amount", **WINDOW},
        "margin": {"kind": "value", "of": "buy - refund.amount", "cost": {"champion": 0.5}, **WINDOW},
    },
    release={
        "of": "challenger",
        "into": "everybody",
        "stages": [{"kind": "test"}],
        "primary": {"metric": "accuracy", "minimum_effect": {"absolute": 0.01}},
        "guardrails": {"errors": {"absolute": 0.01}},
    },
)
RUN = worlds.release((0.3, 0.0), (0.6, 500.0))
MEASURES = (*declared_measures(DEPLOYMENT, RUN), *error_measures(DEPLOYMENT))


class Traffic(NamedTuple):
    """Rows and outcomes in columns; ``shown`` is the moment at which each can be read."""

    rows: pa.Table
    outcomes: pa.Table

    def at(self, moment: int) -> TableSource:
        """What can be read then."""
        parts = [table.filter(pa.array(table["shown"].to_numpy() <= moment)).drop(["shown"]) for table in self]
        return TableSource(*parts)


@st.composite
def traffics(draw: st.DrawFn) -> Traffic:
    """Requests in 100 ticks, some of several units, some no evidence; outcomes by unit, request, row or
    key, some revised; in some worlds some of both are seen late."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    n, units, late = draw(st.integers(1, 150)), draw(st.integers(1, 60)), draw(st.sampled_from([0.0, 0.0, 0.03]))
    names = [f"unit-{i}" for i in rng.integers(0, units, n)]
    at = worlds.START + np.sort(rng.integers(0, 100, n)) * TICK  # many at one moment
    requests = [f"r-{i // 2 if many else i}" for i, many in enumerate(rng.random(n) < 0.2)]
    extra: dict[str, Any] = {
        "prediction.label": rng.integers(0, 2, n),
        "prediction.score": rng.random(n),
        "context.age": np.where(rng.random(n) < 0.3, np.nan, rng.normal(size=n)),
        "key": [f"k-{i}" for i in rng.integers(0, n, n)],
        "status": np.where(rng.random(n) < 0.2, "error", "ok").tolist(),
        "reason": np.where(rng.random(n) < 0.2, "override", "split").tolist(),
    }
    rows = worlds.rows(RUN, names, at, **{**extra, "request_id": requests, "row": list(range(n))})
    delay = np.where(rng.random(n) < late, rng.integers(0, 60, n), rng.integers(0, 3, n) * (late > 0)) * TICK
    shown = worlds.table(rows).append_column("shown", pa.array(at + delay))
    outcomes = _outcomes(rng, names, requests, at, late)
    aliases = _aliases(rng, draw(st.sampled_from([0, 0, 3, 30])), units)
    return Traffic(shown, pa.concat_tables([outcomes, aliases], promote_options="default"))


def _aliases(rng: np.random.Generator, n: int, units: int) -> pa.Table:
    """Units that turn out to be others, or are said not to be; some of nobody."""
    alias, unit = ([f"unit-{i}" for i in rng.integers(0, units + 3, n)] for _ in range(2))
    came = worlds.START + rng.integers(0, 150, n) * TICK
    moment = pa.array(came).cast(pa.timestamp("us", tz="UTC"))
    columns = {
        "outcome": pa.array([ALIAS] * n, pa.string()),
        "id": pa.array(alias, pa.string()),
        "key": pa.array(alias, pa.string()),
        "unit": pa.array(unit, pa.string(), mask=rng.random(n) < 0.2),
        "withdrawn": np.zeros(n, dtype=np.bool_),
        "at": moment,
        "received_at": moment,
        "shown": came,
    }
    return pa.table(columns)


def _outcomes(
    rng: np.random.Generator, names: list[str], requests: list[str], at: worlds.Array, late: float
) -> pa.Table:
    m = len(at) * 2
    of = rng.integers(0, len(at), m)
    event = at[of] + rng.integers(-40, 40, m) * TICK * (rng.random(m) < 0.1) + rng.integers(0, 30, m) * TICK
    came = np.maximum(event, at[of]) + rng.integers(0, 30 * TICK, m)  # of two at one moment either may count
    way = rng.integers(0, 4, m)

    def where(kind: int, values: list[str]) -> list[str | None]:
        return [value if chosen == kind else None for value, chosen in zip(values, way, strict=True)]

    by_unit = where(0, [names[i] for i in of])
    by_request = [
        value if chosen in (1, 2) else None for value, chosen in zip([requests[i] for i in of], way, strict=True)
    ]
    columns = {
        "outcome": rng.choice(["digit", "buy", "refund"], m).tolist(),
        "id": [f"o-{i}" for i in rng.integers(0, m, m)],  # revisions, of other units too
        "unit": pa.array(by_unit, pa.string()),
        "request_id": pa.array(by_request, pa.string()),
        "row": pa.array([int(i) if chosen == 2 else None for i, chosen in zip(of, way, strict=True)], pa.int64()),
        "key": pa.array(where(3, [f"k-{i}" for i in rng.integers(0, len(at), m)]), pa.string()),
        "value_number": rng.integers(0, 2, m).astype(float),
        "fields": rng.choice(['{"amount": 0}', '{"amount": 1}', "{}"], m, p=[0.6, 0.2, 0.2]).tolist(),
        "withdrawn": rng.random(m) < 0.05,
        "at": pa.array(event).cast(pa.timestamp("us", tz="UTC")),
        "received_at": pa.array(came).cast(pa.timestamp("us", tz="UTC")),
        "shown": came + np.where(rng.random(m) < late, 50, 0) * TICK,
    }
    return pa.table(columns)


LIMITS = st.builds(
    Limits,
    lag=st.integers(0, 10).map(lambda ticks: ticks * TICK),
    least=st.just(0),
    part=st.sampled_from([40, 1000]),
    piece=st.sampled_from([4, 1000]),
    share=st.sampled_from([0.6, 10.0]),
    most=st.sampled_from([3, 1000, 1000]),
)


class Look(NamedTuple):
    """A judgement: when, and what else had happened by then."""

    tick: int
    forgotten: bool
    spoilt: bool
    ended: bool


LOOKS = st.builds(
    Look,
    tick=st.integers(1, 160),
    forgotten=st.sampled_from([False, False, True]),
    spoilt=st.sampled_from([False, False, True]),
    ended=st.sampled_from([False, False, True]),
)


def run_at(look: Look) -> ReleaseRun:
    """As the release stood: its second phase is not known before it begins."""
    begun = tuple(phase for phase in RUN.phases if phase.started_at <= worlds.START + look.tick * TICK)
    ended = worlds.START + look.tick * TICK if look.ended else None
    return msgspec.structs.replace(RUN, phases=begun, ended_at=ended)


def without(source: pa.Table, forgotten: bool) -> pa.Table:
    return source.filter(pc.not_equal(source["unit"], "unit-1").fill_null(True)) if forgotten else source


@settings(max_examples=8, deadline=None)
@given(traffics(), st.lists(LOOKS, min_size=2, max_size=4), LIMITS)
def test_what_is_remembered_and_what_is_new_are_what_reading_everything_gives(
    traffic: Traffic, looks: list[Look], limits: Limits
) -> None:
    summed = [measure.name for measure in MEASURES if is_summed(measure)]
    assert summed == ["accuracy", "conversion", "refunds", "margin", "errors", "error_rate"]
    with tempfile.TemporaryDirectory() as folder:
        _compare(traffic, sorted(looks), limits, Path(folder), summed)


def _compare(traffic: Traffic, looks: list[Look], limits: Limits, folder: Path, summed: list[str]) -> None:
    shelves, forgotten = DiskShelves(folder), False
    for look in looks:
        forgotten |= look.forgotten
        now, run = worlds.START + look.tick * TICK, run_at(look)
        source = Traffic(*(without(table, forgotten) for table in traffic)).at(now)
        if look.spoilt:
            for file in folder.glob("*/sums.msgpack"):
                file.write_bytes(file.read_bytes()[:-1])
        shared = shared_ids(source, outcomes_of(MEASURES))
        known = read_again(source, run, MEASURES, now, shelves, shared, summed, limits)
        units, columns = known.units, known.columns
        plain, wanted = read(source, run, MEASURES, now)
        assert units.unit.to_pylist() == plain.unit.to_pylist()
        for name in ("variant", "phase", "first_at", "moved_at", "met"):
            assert np.array_equal(getattr(units, name), getattr(plain, name)), name
        assert known.census == take_census(plain)
        for measure in MEASURES:
            found, expected = columns[measure.name], wanted[measure.name]
            for name in COLUMNS:
                same = np.array_equal(getattr(found, name), getattr(expected, name), equal_nan=True)
                assert same, (measure.name, name)
            if expected.z is not None and found.z is not None:
                assert np.array_equal(found.z, expected.z, equal_nan=True)
            if expected.answers is not None and found.answers is not None:
                assert all(np.array_equal(*pair) for pair in zip(found.answers, expected.answers, strict=True))
            if measure.name in summed:
                sample = take_sample(plain, expected, measure, run, now)
                assert_alike(told(sample_of(known.sums[measure.name], measure, run, now)), told(sample))


@settings(max_examples=8, deadline=None)
@given(traffics(), st.integers(30, 100), st.integers(1, 80))
def test_what_a_matured_unit_had_stays_whatever_comes_later(traffic: Traffic, tick: int, more: int) -> None:
    mine = traffic.outcomes.filter(pc.not_equal(traffic.outcomes["outcome"], ALIAS))
    rows, outcomes = traffic.rows.drop(["shown"]), mine.drop(["shown"])
    first, later = (worlds.START + moment * TICK for moment in (tick, tick + more))
    units, before = read(there(rows, outcomes, first), RUN, MEASURES, first)
    then, now = read(there(rows, outcomes, later), RUN, MEASURES, later)
    assert then.unit.slice(0, len(units.unit)).to_pylist() == units.unit.to_pylist()
    for measure in MEASURES:
        matured = np.flatnonzero(units.first_at + measure.matures <= first)
        for name in ("x", "y", "labels", "wanted"):
            had, has = (getattr(columns[measure.name], name)[matured] for columns in (before, now))
            assert np.array_equal(had, has, equal_nan=True), (measure.name, name)


def there(rows: pa.Table, outcomes: pa.Table, moment: int) -> TableSource:
    """What had been decided and had arrived by then."""
    now = pa.scalar(moment, pa.timestamp("us", tz="UTC"))
    return TableSource(
        rows.filter(pc.less_equal(rows["at"], now)), outcomes.filter(pc.less_equal(outcomes["received_at"], now))
    )
