"""A/A tests on a deployment's own past: the champion's units of the last week, split by many salts and judged.

They are split as the release will split them: what holds between halves need not hold in an arm of a hundredth.
"""

import dataclasses
import math

import msgspec
import numpy as np

from seatrial.experiments.asks import asks_of, measures_of
from seatrial.experiments.caps import caps_before
from seatrial.experiments.exposing import in_clusters
from seatrial.experiments.foresight import LEAST_UNITS, planned_shares
from seatrial.experiments.metric import verdict_of
from seatrial.experiments.past import AsIfDrawn, past_run
from seatrial.experiments.question import read
from seatrial.experiments.sample import take_sample
from seatrial.experiments.source import Source
from seatrial.experiments.thresholds import fixed_thresholds
from seatrial.experiments.units import NEVER
from seatrial.releases.run import ReleaseRun
from seatrial.routing.assign import assign_many
from seatrial.routing.snapshot import Arm, Entry
from seatrial.spec.deployment import Deployment, ReleaseSpec
from seatrial.spec.errors import BadInput
from seatrial.stats.minimum import what_is_missing
from seatrial.stats.quantile_difference import quantile_test
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
        BadInput: The file has no release, or too few units came in the last week for any of its shares.
    """
    if deployment.release is None:
        raise BadInput(f"deployment {deployment.deployment!r} has no release to split by; add `release:` to it")
    source = AsIfDrawn(view, run.champion, run.entry)
    past = past_run(run, now)
    caps = past.caps | caps_before(deployment, past, view, now)
    past = msgspec.structs.replace(past, caps=caps)
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
    units, columns = read(source, past, measures, now)
    units = in_clusters(units, source, past, now, deployment.unit.cluster)
    n = len(units.first_at)
    share = _share(deployment.release, n)
    arms = (Arm(run.champion, 1 - share), Arm(run.challenger, share))
    past = msgspec.structs.replace(past, phases=(msgspec.structs.replace(past.phases[0], arms=arms),))
    names = units.unit.to_pylist()
    said: dict[str, tuple[list[bool], list[float]]] = {measure.name: ([], []) for measure in measures}
    for salt in range(splits):
        drawn = assign_many(Entry(name=run.entry, arms=arms, salt=f"same-{salt}"), names)
        split = dataclasses.replace(units, variant=drawn, moved_at=np.full(n, NEVER, dtype=np.int64))
        for measure in measures:
            sample = take_sample(split, columns[measure.name], measure, past, now)
            verdict = verdict_of(asks[measure.name], sample, measure, past)
            p_value = welch_of(sample.effect).p_value if math.isfinite(sample.effect.se_unpooled) else None
            if measure.shape == "quantile" and sample.counted is not None:
                p_value = quantile_test(sample.counted.arms(), sample.counted.q).p_value
            # Too few carriers for a verdict make no claim, but what their p-values look like counts.
            spoke = verdict.word != "no-data" or what_is_missing(sample.effect) is None
            if spoke and p_value is not None:
                said[measure.name][0].append(verdict.word in ("better", "worse"))
                said[measure.name][1].append(p_value)
    known = {name: found for name, found in said.items() if found[0]}
    if not known:
        raise BadInput("no metric of the last week has enough units and events for a verdict; wait for more")
    careful = {measure.name for measure in measures if measure.shape == "quantile"}
    return tuple(
        same_arms(name, *found, run.alpha, len(known), careful=name in careful) for name, found in known.items()
    )


def _share(release: ReleaseSpec, n: int) -> float:
    """The challenger's smallest planned share that has ``LEAST_UNITS`` of ``n`` units in either arm."""
    planned = planned_shares(release)
    enough = [share for share in planned if min(share, 1 - share) * n >= LEAST_UNITS]
    if not enough:
        needed = math.ceil(LEAST_UNITS / min(max(planned), 1 - max(planned)))
        raise BadInput(f"{n} units of the champion came in the last week; it takes {needed} to split them as planned")
    return min(enough)
