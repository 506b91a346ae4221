"""Two classifiers on the same requests: how often they agree, and whose answers are right."""

from collections import Counter

import msgspec
import pyarrow as pa

from seatrial.experiments.rollback import alpha_of_rollback
from seatrial.experiments.sentences import count, counted, names
from seatrial.experiments.shadow.comparison import Ends, Review, ShadowComparison
from seatrial.experiments.shadow.pairs import Pairs
from seatrial.releases.run import ReleaseRun
from seatrial.spec.deployment import Deployment
from seatrial.stats.contrast import Margin
from seatrial.stats.interval import Interval, TestResult
from seatrial.stats.paired import PairedAccuracy, agreement, judge_pairs, mcnemar
from seatrial.stats.verdict import Question


def compare_classes(
    found: Pairs,
    deployment: Deployment,
    run: ReleaseRun,
    inputs: str,
    *,
    labels: bool,
    judged: Review | None = None,
) -> ShadowComparison:
    """Agreement of independent pairs, and a verdict on accuracy from those with a label.

    Args:
        found: The pairs.
        deployment: Its primary says which effect matters.
        run: The two variants, and the error rate.
        inputs: What distinct inputs are called.
        labels: Whether the file says where labels come from.
        judged: What people judged of a sample of the pairs.
    """
    said = (found.independent[f"{whose}_spelt"].to_pylist() for whose in ("other", "answer"))
    table = Counter(zip(*said, strict=True))
    agreed = agreement({pair: n for pair, n in table.items() if None not in pair}, run.alpha)
    accuracy = _rights(found.labelled, "challenger_right", "champion_right")
    verdict = judge_pairs(accuracy, _question(deployment, run))
    comparison = ShadowComparison(
        pairs=found.pairs,
        inputs=found.independent.num_rows,
        clustered_by="input and unit",
        failures=found.failures,
        agreement=agreed.share,
        agreement_ends=_ends(agreed.interval),
        kappa=agreed.kappa,
        kappa_ends=_ends(agreed.kappa_interval),
        labelled=accuracy.pairs,
        champion_accuracy=verdict.control_mean,
        challenger_accuracy=verdict.treatment_mean,
        only_champion_right=accuracy.control_only,
        only_challenger_right=accuracy.treatment_only,
        verdict=verdict,
        fixed=_mcnemar(found),
        judged=judged,
        sentence="",
    )
    return msgspec.structs.replace(comparison, sentence=_sentence(comparison, run, inputs, labels=labels))


def _rights(table: pa.Table, challenger: str, champion: str) -> PairedAccuracy:
    rights = Counter(zip(table[challenger].to_pylist(), table[champion].to_pylist(), strict=True))
    return PairedAccuracy(
        both=rights[1, 1], treatment_only=rights[1, 0], control_only=rights[0, 1], neither=rights[0, 0]
    )


def _ends(interval: Interval | None) -> Ends | None:
    return None if interval is None else Ends(*interval)


def _mcnemar(found: Pairs) -> tuple[TestResult, ...]:
    """Of the labels as they stand now, corrected ones too."""
    standing = found.labelled.filter(found.labelled["stands"])
    now = _rights(standing, "challenger_right_now", "champion_right_now")
    if not now.pairs:
        return ()
    tests = mcnemar(now.treatment_only, now.control_only)
    return tuple(
        TestResult(
            method=f"McNemar, {name} (fixed)",
            statistic=None,
            p_value=p,
            effect=now.difference,
            note="Holds for one look at a planned end.",
        )
        for name, p in (("exact", tests.exact), ("mid-p", tests.mid_p))
    )


def _question(deployment: Deployment, run: ReleaseRun) -> Question:
    challenger, champion = names(run)
    return Question(
        metric="shadow accuracy",
        want="higher",
        margin=_margin(deployment),
        alpha=run.alpha,
        alpha_worse=alpha_of_rollback(deployment),
        plan_units=run.plan_units,
        treatment=challenger,
        control=champion,
    )


def _margin(deployment: Deployment) -> Margin | None:
    """The smallest effect cared about, where the primary is an accuracy too."""
    if deployment.release is None:
        return None
    primary = deployment.release.primary
    spec = deployment.metrics.get(primary.metric)
    if spec is None or spec.kind != "accuracy":
        return None
    if primary.minimum_effect.relative is not None:
        return Margin("relative", primary.minimum_effect.relative)
    return Margin("absolute", primary.minimum_effect.absolute or 0.0)


_SAID = {
    "better": "{} is better",
    "worse": "{} is worse",
    "equivalent": "they are the same, within the smallest effect that matters",
    "inconclusive": "which is better is not decided yet",
    "no-data": "which is not enough to say more",
}


def _sentence(found: ShadowComparison, run: ReleaseRun, inputs: str, *, labels: bool) -> str:
    challenger, champion = names(run)
    parts = []
    verdict = found.verdict
    if found.labelled and verdict is not None:
        parts.append(
            f"On {counted(found.labelled, inputs)}, {challenger} is right on {_percent(found.challenger_accuracy)} and "
            f"{champion} on {_percent(found.champion_accuracy)}; of the "
            f"{count(found.only_challenger_right + found.only_champion_right)} that only one got right, "
            f"{count(found.only_challenger_right)} are the challenger's: {_SAID[verdict.word].format('the challenger')}"
        )
    elif labels and found.judged is None:
        parts.append(f"No label has arrived yet for {counted(found.inputs, inputs)}")
    if found.agreement is not None:
        parts.append(f"both answer the same on {_percent(found.agreement)} of {counted(found.inputs, inputs)}")
    if found.failures:
        parts.append(f"{challenger} failed on {count(found.failures)} of {count(found.pairs)} requests")
    text = "; ".join(parts) or f"{count(found.pairs)} pairs, none of which could be compared"
    told = f"{text[0].upper()}{text[1:]}."
    return told if found.judged is None else f"{told} {found.judged.sentence}"


def _percent(share: float | None) -> str:
    return "unknown" if share is None else f"{100 * share:.4g}%"
