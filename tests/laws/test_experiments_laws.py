"""Laws of what is measured, on made-up traffic of any shape."""

from typing import Any, NamedTuple

import msgspec
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from seatrial.experiments.answer_measures import error_measures
from seatrial.experiments.declared_measures import declared_measures
from seatrial.experiments.judge import judge
from seatrial.experiments.question import read
from seatrial.experiments.sample import take_sample
from tests import worlds

SECOND = worlds.SECOND
WINDOW = {"within": 20.0, "grace": 5.0}
DEPLOYMENT = worlds.deployment(
    outcomes={"digit": {"label": True}, "buy": {}},
    metrics={
        "accuracy": {"kind": "accuracy", "outcome": "digit", **WINDOW},
        "revenue": {"kind": "mean", "outcome": "buy", **WINDOW},
        "conversion": {"kind": "proportion", "outcome": "buy", **WINDOW},
    },
    release={
        "of": "challenger",
        "into": "everybody",
        "stages": [{"kind": "test"}],
        "primary": {"metric": "accuracy", "minimum_effect": {"absolute": 0.01}},
        "guardrails": {"errors": {"absolute": 0.01}},
    },
)
RUN = worlds.release((0.3, 0.0), (0.6, 50.0))


class Traffic(NamedTuple):
    """Rows and outcomes in columns."""

    rows: dict[str, Any]
    labels: dict[str, Any]
    bought: dict[str, Any]


@st.composite
def traffics(draw: st.DrawFn) -> Traffic:
    """Up to 120 requests of up to 40 units in 100 seconds, with outcomes that are early, in time, late or absent."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    n, units = draw(st.integers(1, 120)), draw(st.integers(1, 40))
    names = [f"unit-{i}" for i in rng.integers(0, units, n)]
    at = worlds.START + rng.integers(0, 100 * SECOND, n)
    status = np.where(rng.random(n) < 0.2, "error", "ok").tolist()
    rows = worlds.rows(RUN, names, at, status=status, **{"prediction.label": rng.integers(0, 2, n)})
    return Traffic(
        rows,
        some_outcomes(
            "digit", rng, at, request_id=rows["request_id"], value_number=rng.integers(0, 2, n).astype(float)
        ),
        some_outcomes("buy", rng, at, unit=names, value_number=rng.integers(0, 9, n).astype(float)),
    )


def some_outcomes(name: str, rng: np.random.Generator, at: worlds.Array, **given: Any) -> dict[str, Any]:
    event = at + rng.integers(-400 * SECOND, 40 * SECOND, len(at))
    arrival = event + rng.integers(0, 30 * SECOND, len(at))
    kept = np.flatnonzero(rng.random(len(at)) < 0.7)
    columns = {key: [values[i] for i in kept] for key, values in given.items()}
    return worlds.outcomes(name, event[kept], received_at=arrival[kept], **columns)


def source_of(traffic: Traffic) -> worlds.TableSource:
    return worlds.source([traffic.rows], [traffic.labels, traffic.bought])


MEASURES = (*declared_measures(DEPLOYMENT, RUN), *error_measures(DEPLOYMENT))


@settings(max_examples=30)
@given(traffics(), st.integers(1, 140), st.integers(0, 100))
def test_a_matured_unit_never_changes_again(traffic: Traffic, seconds: int, later: int) -> None:
    source = source_of(traffic)
    now = worlds.START + seconds * SECOND
    before, old = read(source, RUN, MEASURES, now)
    after, new = read(source, RUN, MEASURES, now + later * SECOND)
    where = {name: i for i, name in enumerate(after.unit.to_pylist())}
    for measure in MEASURES:
        matured = np.flatnonzero(before.first_at + measure.matures <= now)
        same = np.array([where[before.unit[i].as_py()] for i in matured], dtype=np.int64)
        for name in ("x", "y", "labels"):
            values = getattr(old[measure.name], name), getattr(new[measure.name], name)
            assert np.array_equal(values[0][matured], values[1][same])


@settings(max_examples=15)
@given(traffics(), st.integers(0, 2**32))
def test_the_order_of_rows_and_outcomes_does_not_matter(traffic: Traffic, seed: int) -> None:
    rng = np.random.default_rng(seed)
    mixed = Traffic(*(shuffled(part, rng) for part in traffic))
    now = worlds.START + 200 * SECOND
    assert judge(DEPLOYMENT, RUN, source_of(mixed), now) == judge(DEPLOYMENT, RUN, source_of(traffic), now)


def shuffled(part: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
    order = rng.permutation(len(part["at"]))
    return {name: [values[i] for i in order] for name, values in part.items()}


@settings(max_examples=15)
@given(traffics(), st.sampled_from(["override", "rule", "explicit", "cold-start"]))
def test_rows_that_are_no_evidence_change_no_verdict(traffic: Traffic, reason: str) -> None:
    n = len(traffic.rows["at"])
    others = traffic.rows | {
        "request_id": [f"other-{i}" for i in range(n)],
        "reason": [reason] * n,
        "status": ["error"] * n,
    }
    now = worlds.START + 200 * SECOND
    more = worlds.source([traffic.rows, others], [traffic.labels, traffic.bought])
    found, plain = judge(DEPLOYMENT, RUN, more, now), judge(DEPLOYMENT, RUN, source_of(traffic), now)
    assert [m.verdict for m in found.metrics if m.kind != "latency"] == [
        m.verdict for m in plain.metrics if m.kind != "latency"
    ]
    assert found.left_out == {reason: n}


@settings(max_examples=20)
@given(traffics(), st.integers(1, 200))
def test_every_exposed_unit_is_counted_or_left_out_for_one_reason(traffic: Traffic, seconds: int) -> None:
    now = worlds.START + seconds * SECOND
    units, columns = read(source_of(traffic), RUN, MEASURES, now)
    for measure in MEASURES:
        sample = take_sample(units, columns[measure.name], measure, RUN, now)
        counted = sum(phase.n_treatment + phase.n_control for phase in sample.phases.phases)
        assert counted + sample.waiting + sample.censored + sample.missing == len(units.first_at)


@settings(max_examples=10)
@given(traffics())
def test_any_judgement_survives_json(traffic: Traffic) -> None:
    found = judge(DEPLOYMENT, RUN, source_of(traffic), worlds.START + 200 * SECOND)
    assert msgspec.json.decode(msgspec.json.encode(found), type=type(found)) == found
