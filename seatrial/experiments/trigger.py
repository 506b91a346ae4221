"""Triggered analysis: only units to which the two versions answer differently are compared.

Where both answer alike nothing can follow. Both versions answer every request of both arms, one for the caller and one
as its shadow, so whether they differ is known in both arms alike. A unit is triggered by its first differing answer
while a metric's window was open; a version that failed where the other answered differs from it. Requests without the
other's answer (a shadow's copies may be lost) say nothing: what they hide is looked for in the units that were not
triggered.

References:
    Deng, Hu (2015), Diluted treatment effect estimation for trigger analysis in online controlled experiments, WSDM.
    Kohavi, Tang, Xu (2020), Trustworthy Online Controlled Experiments, chapter 20: triggering.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seatrial.experiments.balance import differs, enough
from seatrial.experiments.counted import Mask
from seatrial.experiments.judgement import Check, MetricJudgement, Triggered
from seatrial.experiments.labels import one_spelling
from seatrial.experiments.sample import Sample
from seatrial.experiments.source import Source
from seatrial.experiments.units import NEVER, Units, evidence, parameters
from seatrial.ledger.sql import quoted
from seatrial.releases.run import ReleaseRun
from seatrial.stats.holm import holm
from seatrial.stats.interval import finite
from seatrial.stats.sequence import always_valid_p, confidence_sequence

ALPHA = 0.001
"""Over all looks: of the balance of trigger rates, and of the untriggered units together."""

ANSWERS = ("prediction.label", "prediction.value", "prediction.json")
"""What a version said: of one task a row has one of them."""

_DIFFERING = """,
others AS (
  SELECT request_id, "row" AS i, variant, CASE WHEN status = 'ok' THEN {answer} END AS answer
  FROM rows WHERE role = 'shadow' AND release = $release AND variant IN ($champion, $challenger)
    AND "at" >= to_timestamp($since) AND epoch_us("at") <= $now
),
pairs AS (
  SELECT p.u, p.t, o.request_id IS NULL AS alone,
         o.request_id IS NOT NULL AND CASE WHEN NOT p.failed THEN p.answer END IS DISTINCT FROM o.answer AS differ
  FROM placed p LEFT JOIN others o ON o.request_id = p.request_id AND o.i = p.i AND o.variant <> p.variant
)
SELECT u, min(t) FILTER (differ) AS at, count(*) AS n, count(*) FILTER (alone) AS alone
FROM pairs GROUP BY u ORDER BY u"""


@dataclass(frozen=True, eq=False)
class Triggers:
    """When each unit's answers first differed, in order of exposure; arrays [n].

    Attributes:
        at: Microseconds since 1970 UTC; ``NEVER`` where they did not.
        rows: Requests of evidence.
        alone: Of them, those without the other version's answer.
    """

    at: NDArray[np.int64]
    rows: int
    alone: int

    def within(self, units: Units, window: int) -> Mask:
        """Units triggered while a window of so many microseconds from their first exposure was open."""
        found: Mask = self.at <= units.first_at + window
        return found


def read_triggers(source: Source, run: ReleaseRun, now: int, columns: Sequence[str]) -> Triggers:
    """When both versions' answers first differed, by unit.

    Args:
        source: Where rows are read.
        run: The release; its shadows answer for the arm that a request was not drawn into.
        now: Microseconds since 1970 UTC; nothing later is seen.
        columns: Those of ``rows``.
    """
    said = [
        f"CAST({quoted(each)} AS VARCHAR)"
        for name in ANSWERS
        for each in columns
        if each == name or each.startswith(f"{name}#")
    ]
    answer = one_spelling(f"coalesce({', '.join(said)}, NULL)") if said else "NULL::VARCHAR"
    given = parameters(run, now) | {"champion": run.champion, "challenger": run.challenger}
    table = source.sql(f"WITH {evidence(columns, answer)}{_DIFFERING.format(answer=answer)}", given)
    at = [NEVER if moment is None else moment for moment in table["at"].to_pylist()]
    return Triggers(np.array(at, dtype=np.int64), sum(table["n"].to_pylist()), sum(table["alone"].to_pylist()))


def check_trigger_rate(samples: Mapping[str, Sample], triggers: Triggers, run: ReleaseRun) -> Check:
    """Whether equally many units of both arms were triggered: a variant that changes that picks who is compared."""
    effects = {name: s.rest.rate for name, s in samples.items() if s.rest is not None}
    odd = [name for name, effect in effects.items() if differs(effect, ALPHA / len(effects), run.plan_units)]
    alone = f"{triggers.alone / triggers.rows:.2%} of requests lack the other version's answer" if triggers.rows else ""
    name = odd[0] if odd else next(iter(effects), "")
    if not name or not enough(effects[name]):
        return Check(
            name="trigger-rate", ok=True, withholds=True, value=None, sentence="Too few units to compare trigger rates."
        )
    effect = effects[name]
    said = f"{effect.treatment_mean:.1%} of the challenger's units and {effect.control_mean:.1%} of the champion's"
    sentence = (
        f"The arms were triggered unequally, {said}: who is compared depends on the variant; {alone}."
        if odd
        else f"Both arms were triggered equally, {said}; {alone}."
    )
    return Check(name="trigger-rate", ok=not odd, withholds=True, value=effect.effect, sentence=sentence)


def check_untriggered(samples: Mapping[str, Sample], run: ReleaseRun) -> Check:
    """Whether the units that were not triggered show no effect: Holm over metrics, sequential."""
    effects = {name: s.rest.untriggered for name, s in samples.items() if s.rest is not None}
    told = {name: effect for name, effect in effects.items() if enough(effect) and effect.se > 0}
    p_values = holm([always_valid_p(e.effect, e.se, e.n, ALPHA, run.plan_units) for e in told.values()])
    odd = [name for name, p in zip(told, p_values, strict=True) if p < ALPHA]
    if odd:
        sentence = (
            f"Units whose answers did not differ still differ in {', '.join(odd)}: something else than the answer "
            "changes what follows, or a unit's pairs were lost; judge without `trigger`."
        )
    elif told:
        sentence = f"Units whose answers did not differ show no effect on {', '.join(told)}."
    else:
        sentence = "Too few units whose answers did not differ to look at."
    return Check(name="untriggered", ok=not odd, withholds=True, value=min(p_values, default=None), sentence=sentence)


def triggered(judged: MetricJudgement, sample: Sample, run: ReleaseRun) -> Triggered | None:
    """What a metric's judgement says of the trigger; None where all units count."""
    if sample.rest is None or sample.counted is None:
        return None
    share, rest, mean = sample.rest.share, sample.rest.untriggered, sample.rest.control_mean
    verdict = judged.verdict
    if verdict.effect is None or not share:
        return Triggered(share=share, units=sample.counted.n, of=sample.rest.of)
    apart = confidence_sequence(rest.effect, rest.se, rest.n, ALPHA, run.plan_units) if enough(rest) else None
    return Triggered(
        share=share,
        units=sample.counted.n,
        of=sample.rest.of,
        effect=share * verdict.effect,
        lower=None if verdict.lower is None else share * verdict.lower,
        upper=None if verdict.upper is None else share * verdict.upper,
        relative=finite(share * verdict.effect / abs(mean)) if mean else None,
        rest_lower=None if apart is None else finite(apart.lower),
        rest_upper=None if apart is None else finite(apart.upper),
    )
