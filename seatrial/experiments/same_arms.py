"""A/A tests on a deployment's own past: the champion's units of the last week, split by many salts and judged."""

import dataclasses
import math

import msgspec
import numpy as np

from seatrial.experiments.asks import asks_of, measures_of
from seatrial.experiments.caps import caps_before
from seatrial.experiments.foresight import LEAST_UNITS
from seatrial.experiments.measures import read
from seatrial.experiments.metric import verdict_of
from seatrial.experiments.past import AsIfDrawn, past_run
from seatrial.experiments.sample import take_sample
from seatrial.experiments.source import Source
from seatrial.experiments.thresholds import fixed_thresholds
from seatrial.experiments.units import NEVER
from seatrial.releases.run import ReleaseRun
from seatrial.routing.assign import assign_many
from seatrial.routing.snapshot import Arm, Entry
from seatrial.spec.deployment import Deployment
from seatrial.spec.errors import BadInput
from seatrial.stats.same_arms import SameArms, same_arms
from seatrial.stats.welch import welch_of


def split_past(deployment: Deployment, run: ReleaseRun, view: Source, now: int, splits: int) -> tuple[SameArms, ...]:
    """One answer a metric that had enough units for verdicts.

    Args:
        deployment: Its file, with a release.
        run: For whose champion, and by what alpha.
        view: The ledger.
        now: Microseconds since 1970 UTC.
        splits: How many salts.

    Raises:
        BadInput: The file has no release, or too few units came in the last week.
    """
    if deployment.release is None:
        raise BadInput(f"deployment {deployment.deployment!r} has no release to split by; add `release:` to it")
    arms = (Arm(run.champion, 0.5), Arm(run.challenger, 0.5))
    past = past_run(run, now)
    caps = past.caps | caps_before(deployment, past, view, now)
    past = msgspec.structs.replace(past, caps=caps, phases=(msgspec.structs.replace(past.phases[0], arms=arms),))
    thresholds = fixed_thresholds(view, past, now)
    asks = asks_of(deployment, deployment.release, past, thresholds, answers=True)
    # A metric is asked two-sided and without margin here: there is no difference, so any claim is false.
    asks = {
        name: dataclasses.replace(
            ask, part="secondary", question=msgspec.structs.replace(ask.question, margin=None, alpha_worse=None)
        )
        for name, ask in asks.items()
    }
    measures = measures_of(deployment, past, asks)
    units, columns = read(AsIfDrawn(view, run.champion), past, measures, now)
    n = len(units.first_at)
    if n < 2 * LEAST_UNITS:
        raise BadInput(f"{n} units of the champion came in the last week; it takes {2 * LEAST_UNITS} to split them")
    names = units.unit.to_pylist()
    said: dict[str, tuple[list[bool], list[float]]] = {measure.name: ([], []) for measure in measures}
    for salt in range(splits):
        drawn = assign_many(Entry(name=run.entry, arms=arms, salt=f"same-{salt}"), names)
        split = dataclasses.replace(units, variant=drawn, moved_at=np.full(n, NEVER, dtype=np.int64))
        for measure in measures:
            sample = take_sample(split, columns[measure.name], measure, past, now)
            verdict = verdict_of(asks[measure.name], sample, measure, past)
            p_value = welch_of(sample.effect).p_value if math.isfinite(sample.effect.se_unpooled) else None
            if verdict.word != "no-data" and p_value is not None:
                said[measure.name][0].append(verdict.word in ("better", "worse"))
                said[measure.name][1].append(p_value)
    known = {name: found for name, found in said.items() if found[0]}
    if not known:
        raise BadInput("no metric of the last week has enough units and events for a verdict; wait for more")
    return tuple(same_arms(name, *found, run.alpha, len(known)) for name, found in known.items())
