"""Months of a deployment that declares every monitor, in which nothing is wrong: alerts that begin, by monitor.

    python -m bench.quiet_months --months 100 --processes 2 --keep FILE --publish

A month is 30 days of 1 200 answers by 400 people a day (of 5 000, whose scores resemble each other) to a version that
stood in shadow for three days before: labels within a day as its scores say, an offline copy of its features in which
0.5 % of the values differ, two regions. The path is the product's: rows in a source of SQL, windows read by ``watch``,
conditions by ``alerts_of``; alerts are counted whomever they would wake. Worlds: windows of a day; windows of a day
that slide by six hours; windows of 1 000 rows.
"""

import argparse
import json
from collections import Counter
from collections.abc import Iterable
from contextlib import closing

import msgspec
import numpy as np
import pyarrow as pa

from bench.months import arguments_of, live
from bench.results import PAGE, filled
from seatrial.drift import Profile, accuracy_baseline, classification_profile
from seatrial.drift.estimates import calibrate
from seatrial.drift.estimates.lesson import Lesson
from seatrial.experiments.source import TableSource
from seatrial.spec.deployment import Deployment
from seatrial.spec.read import load_deployment
from seatrial.spec.signature import Feature
from seatrial.stats.proportion import wilson
from seatrial.watch.alerts import alerts_of, condition_of
from seatrial.watch.monitor import watch

HOUR = 3_600_000_000
DAY = 24 * HOUR
START = 1_700_006_400_000_000 // DAY * DAY
SHADOW_DAYS, DAYS, A_DAY, PEOPLE, SEEN_A_DAY, HOLDOUT = 3, 30, 1200, 5000, 400, 3000
FEATURES = (
    Feature(name="amount", kind="number"),
    Feature(name="visits", kind="number"),
    Feature(name="plan", kind="category"),
)
PLANS = np.array(["free", "basic", "gold"])
WORLDS = {"a day": "1d", "a day, every six hours": "1d, every: 6h", "1 000 rows": "1000 rows"}

_FILE = """
deployment: quiet
task: classification
variants: {{champion: {{model: models:/m/2}}}}
routing: [{{name: everybody, to: champion}}]
context: {{region: string}}
outcomes:
  truth: {{label: true}}
  offline: {{fields: {{amount: number, visits: number, plan: string}}}}
metrics: {{right: {{kind: accuracy, outcome: truth, within: 1d, grace: 1h}}}}
monitors:
  data: {{window: {window}}}
  performance: {{metric: right, window: {window}, estimate: true, calibration: true, segments: [context.region]}}
  concept: {{outcome: truth, window: 1d}}
  fairness: {{by: [context.region], positive: b, outcome: truth, window: {window}}}
  multivariate: {{window: {window}}}
  shadow_gap: {{window: {window}, for: 30d}}
  skew: {{outcome: offline, window: {window}, within: 1d}}
"""


class Month(msgspec.Struct, frozen=True):
    """What one month came to: alerts that began, and windows measured, by monitor."""

    world: str
    seed: int
    alerts: dict[str, int]
    windows: dict[str, int]


def deployment_of(world: str) -> Deployment:
    """The file of a world."""
    return load_deployment(_FILE.format(window=WORLDS[world]))


def month(world: str, seed: int, *, days: int = DAYS, flipped: float = 0.0) -> Month:
    """One month of a deployment that is as it always was.

    Args:
        days: How long it is.
        flipped: The share of labels that turn round: a bench that could find nothing wrong would say nothing.
    """
    rng = np.random.default_rng([seed, 11])
    person = rng.normal(size=PEOPLE)
    shadow, live = _answers(rng, person, -SHADOW_DAYS, 0), _answers(rng, person, 0, days)
    turned = rng.random(live["at"].size) < flipped
    live["truth"] = np.where(turned, np.where(live["truth"] == "a", "b", "a"), live["truth"])
    rows = pa.concat_tables([_rows(shadow, "shadow"), _rows(live, "answer")])
    spec, end = deployment_of(world), START + (days + 2) * DAY
    with closing(TableSource(rows, _outcomes(rng, live))) as source:
        windows = watch(spec, {"champion": _profile(rng)}, source, START, end, versions={"champion": "m:2"}, shelf={})
    begun = [condition_of(alert) for alert in alerts_of(windows, (), end, after=spec.alerting.after)]
    return Month(
        world,
        seed,
        Counter(c.condition.partition("/")[0] for c in begun if c is not None and c.edge == "begins"),
        Counter(window.monitor for window in windows if window.state == "measured"),
    )


Columns = dict[str, np.ndarray]


def _answers(rng: np.random.Generator, person: np.ndarray, first: int, last: int) -> Columns:
    """What was asked and answered in days [first, last), in order of time."""
    days = last - first
    unit = np.concatenate([rng.choice(rng.choice(PEOPLE, SEEN_A_DAY, replace=False), A_DAY) for _ in range(days)])
    at = np.sort(START + (np.repeat(np.arange(first, last), A_DAY) * DAY + rng.integers(0, DAY, days * A_DAY)))
    return {"at": at, "unit": unit, "region": np.where(unit % 3 == 0, "north", "south"), **_inputs(rng, person[unit])}


def _inputs(rng: np.random.Generator, who: np.ndarray) -> Columns:
    n = who.size
    chance = 1 / (1 + np.exp(-(1.2 * who + rng.normal(0, 1, n))))
    return {
        "amount": rng.lognormal(3, 1, n),
        "visits": rng.poisson(3.0, n).astype(np.float64),
        "plan": PLANS[rng.choice(3, n, p=[0.6, 0.3, 0.1])],
        "score": chance,
        "label": np.where(chance > 0.5, "b", "a"),
        "truth": np.where(rng.random(n) < chance, "b", "a"),
    }


def _profile(rng: np.random.Generator) -> Profile:
    held = _inputs(rng, rng.normal(size=HOLDOUT))
    right = held["label"] == held["truth"]
    profile = Profile.from_values(
        FEATURES,
        {feature.name: held[feature.name] for feature in FEATURES},
        prediction=classification_profile(held["label"], held["score"], ["a", "b"]),
        performance={"accuracy": accuracy_baseline(held["label"], held["truth"])},
        holdout_rows=HOLDOUT,
    )
    assert abs(profile.performance["accuracy"].value - right.mean()) < 1e-9
    return msgspec.structs.replace(profile, lesson=Lesson(calibrator=calibrate(held["score"], held["truth"] == "b")))


def _rows(told: Columns, role: str) -> pa.Table:
    n = told["at"].size
    answered = "champion" if role == "answer" else ""
    variant = "champion" if role == "answer" else "challenger"
    fixed = {"variant": variant, "answered": answered, "version": "m:2", "assigned_version": "m:2", "status": "ok"}
    return pa.table(
        {
            "request_id": _requests(told),
            "row": pa.array(np.zeros(n, np.int64)),
            "key": pa.nulls(n, pa.string()),
            "at": pa.array(told["at"], pa.timestamp("us", tz="UTC")),
            "unit": pa.array([f"u{unit}" for unit in told["unit"]]),
            **{name: pa.array([value] * n) for name, value in fixed.items()},
            "role": pa.array([role] * n),
            "sampled": pa.array([True] * n),
            "context.region": pa.array(told["region"].tolist()),
            "prediction.label": pa.array(told["label"].tolist()),
            "prediction.score": pa.array(told["score"]),
            **{f"feature.{feature.name}": pa.array(told[feature.name].tolist()) for feature in FEATURES},
        }
    )


def _outcomes(rng: np.random.Generator, told: Columns) -> pa.Table:
    """A label within twenty hours of each answer, and the features as another source has them."""
    n = told["at"].size
    happened = told["at"] + rng.integers(0, 20 * HOUR, n)
    other = told["visits"] + (rng.random(n) < 0.005)
    offline = [
        json.dumps({"amount": amount, "visits": visits, "plan": plan})
        for amount, visits, plan in zip(told["amount"].tolist(), other.tolist(), told["plan"].tolist(), strict=True)
    ]
    return pa.table(
        {
            "outcome": pa.array(["truth"] * n + ["offline"] * n),
            "at": pa.array(np.concatenate([happened, told["at"]]), pa.timestamp("us", tz="UTC")),
            "request_id": pa.chunked_array([_requests(told)] * 2),
            "value_text": pa.array([*told["truth"].tolist(), *[None] * n]),
            "fields": pa.array([*[None] * n, *offline]),
        }
    )


def _requests(told: Columns) -> pa.Array:
    return pa.array([f"{at}-{i}" for i, at in enumerate(told["at"])])


def table(months: Iterable[Month]) -> str:
    """By world and monitor: months, windows measured, alerts that began a month, months with any."""
    every = list(months)
    rows = [
        "| windows of | monitor | months | windows measured a month | alerts that began a month "
        "| months with any (95 %) |",
        "|---|---|---|---|---|---|",
    ]
    for world in WORLDS:
        mine = [m for m in every if m.world == world]
        kinds = sorted({kind for m in mine for kind in (*m.windows, *m.alerts)})
        for kind in kinds:
            alerts = [m.alerts.get(kind, 0) for m in mine]
            ends = wilson(sum(a > 0 for a in alerts), len(mine))
            seen = np.mean([m.windows.get(kind, 0) for m in mine])
            rows.append(
                f"| {world} | {kind} | {len(mine)} | {f'{seen:.0f}' if seen else '(of those of data)'} | "
                f"{np.mean(alerts):.3f} | {sum(a > 0 for a in alerts)} ({ends.lower:.1%} to {ends.upper:.1%}) |"
            )
    return "\n".join(rows)


def main(arguments: Iterable[str] | None = None) -> None:
    """Lives the months that are not kept yet, keeps each, and prints the table of all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    arguments_of(parser, months=100)
    given = parser.parse_args(list(arguments) if arguments is not None else None)
    kept = live(given, tuple(WORLDS), month, Month)
    print(table(kept))
    if given.publish:
        PAGE.write_text(filled(PAGE.read_text("utf-8"), "quiet-months", table(kept)), "utf-8")


if __name__ == "__main__":
    main()
