"""The challenger in shadow beside the champion: the same requests, answered by both.

The same input drawn again, or the same unit asking again, is the same observation again, so a pair counts only when
neither its input nor its unit was counted before. A model that failed did not give the right answer.
"""

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

import msgspec
import numpy as np
import pyarrow as pa

from seatrial.experiments.judgement import ShadowComparison
from seatrial.experiments.labels import is_right, labels_of_rows
from seatrial.experiments.measures import HAPPENED, answer_column, path
from seatrial.experiments.sentences import count, counted, names
from seatrial.experiments.source import Source
from seatrial.experiments.units import SKEW
from seatrial.releases.run import ReleaseRun
from seatrial.spec.deployment import Deployment, ReleaseSpec
from seatrial.stats.contrast import Margin
from seatrial.stats.interval import TestResult
from seatrial.stats.moments import Moments
from seatrial.stats.paired import PairedAccuracy, agreement, judge_pairs, mcnemar, paired_difference
from seatrial.stats.verdict import Question

VALUE = "prediction.value"

FAILURES_TOLERATED = 0.01
"""Share of shadow pairs in which a challenger may fail and still pass, when no guardrail on ``errors`` says another."""

_PAIRS = """
answers AS (
  SELECT request_id, "row" AS i, "key" AS k, unit, epoch_us("at") AS t, {input} AS input,
         CASE WHEN status = 'ok' AND answered_by IN ('assigned', 'cache') THEN {answer} END AS answer
  FROM rows WHERE role = 'answer' AND variant = $champion AND assigned_version = $champion_version
    AND "at" >= to_timestamp($since) AND epoch_us("at") <= $now
),
shadows AS (
  SELECT request_id, "row" AS i, status <> 'ok' AS failed, CASE WHEN status = 'ok' THEN {answer} END AS answer
  FROM rows WHERE role = 'shadow' AND variant = $challenger AND assigned_version = $challenger_version
    AND "at" >= to_timestamp($since) AND epoch_us("at") <= $now
),
pairs AS MATERIALIZED (
  SELECT row_number() OVER () AS r, a.*, s.answer AS other, s.failed
  FROM answers a JOIN shadows s ON s.request_id = a.request_id AND s.i = a.i
)"""

_NO_LABELS = "labels AS (SELECT 0 AS r, 0 AS t, 0 AS came, '' AS text, 0.0 AS number WHERE false)"

_LABELS = f"""
labels AS (
  SELECT n.r, arg_min(n.text, n.came) AS text, arg_min(n.number, n.came) AS number, min(n.came) AS came
  FROM ({{found}}) n JOIN pairs p ON p.r = n.r WHERE n.t >= p.t - {SKEW} AND n.until > $now GROUP BY n.r
)"""

_READ = """
SELECT p.input, p.unit, p.t, p.answer, p.other, p.failed, l.came,
       {right} AS champion_right, {other_right} AS challenger_right,
       coalesce(l.number, TRY_CAST(l.text AS DOUBLE)) AS label,
       (SELECT count(*) FROM pairs) AS all_pairs, (SELECT count(*) FROM pairs q WHERE q.failed) AS failures
FROM pairs p LEFT JOIN labels l ON l.r = p.r
QUALIFY row_number() OVER (PARTITION BY p.input, p.unit ORDER BY l.came IS NULL, l.came, p.t, p.request_id, p.i) = 1
ORDER BY p.t, p.request_id, p.i"""


class Label(NamedTuple):
    """Where the truth is: an outcome, and the field of it that holds the label (None: its own value)."""

    outcome: str
    field: str | None


def compare_shadow(
    deployment: Deployment, run: ReleaseRun, view: Source, now: int, *, inputs: str = "inputs"
) -> ShadowComparison | None:
    """The comparison on shadow pairs; None where the release has no shadow.

    Args:
        deployment: Its metrics and outcomes say what the truth is.
        run: The two variants and their versions.
        view: Where rows and outcomes are read.
        now: Microseconds since 1970 UTC; nothing later is seen.
        inputs: What distinct inputs are called in the sentence.
    """
    if not _has_shadow(deployment, run):
        return None
    columns = view.sql("SELECT * FROM rows LIMIT 0", {}).column_names
    regression = deployment.task == "regression" or (answer_column(view) is None and VALUE in columns)
    answer = f'"{VALUE}"' if regression and VALUE in columns else answer_column(view) or "NULL::VARCHAR"
    label = label_of(deployment)
    pairs = _read(view, run, now, answer, _input(columns), label)
    if not pairs.num_rows:
        return None
    independent = _independent(pairs, np.arange(pairs.num_rows))
    arrived = np.asarray(pairs["came"].to_pylist(), dtype=object)
    labelled = np.flatnonzero([moment is not None for moment in arrived])
    order = labelled[np.argsort(arrived[labelled].astype(np.int64), kind="stable")]
    found = _Pairs(
        pairs=pairs["all_pairs"][0].as_py(),
        failures=pairs["failures"][0].as_py(),
        independent=pairs.take(independent),
        labelled=pairs.take(_independent(pairs, order)),
    )
    if regression:
        return _regression(found, run, inputs)
    return _classification(found, deployment, run, inputs, label)


def label_of(deployment: Deployment) -> Label | None:
    """The outcome that says what the right answer was: the primary's if it is an accuracy, else the first accuracy's,
    else the only labelling outcome; None where there is none."""
    accuracies = {name: spec for name, spec in deployment.metrics.items() if spec.kind == "accuracy"}
    primary = deployment.release.primary.metric if deployment.release is not None else ""
    spec = accuracies.get(primary) or next(iter(accuracies.values()), None)
    if spec is not None and spec.outcome is not None:
        return Label(spec.outcome, spec.value)
    labelling = [name for name, outcome in deployment.outcomes.items() if outcome.label]
    return Label(labelling[0], None) if len(labelling) == 1 else None


def failures_tolerated(release: ReleaseSpec) -> float:
    """The share of shadow pairs in which the challenger may fail and still pass."""
    errors = release.guardrails.get("errors")
    return errors.absolute if errors is not None and errors.absolute is not None else FAILURES_TOLERATED


class _Pairs(NamedTuple):
    pairs: int
    failures: int
    independent: pa.Table
    labelled: pa.Table


def _has_shadow(deployment: Deployment, run: ReleaseRun) -> bool:
    stages = deployment.release.stages if deployment.release is not None else ()
    return run.stage == "shadow" or any(stage.kind == "shadow" for stage in stages)


def _input(columns: Iterable[str]) -> str:
    """SQL of an input's identity: the same logged features; where none were logged, the unit."""
    features = [f'"{name}"' for name in columns if name.startswith("feature.")]
    if not features:
        return "unit"
    return f"CASE WHEN sampled THEN hash({', '.join(features)})::VARCHAR ELSE unit END"


def _read(view: Source, run: ReleaseRun, now: int, answer: str, input_: str, label: Label | None) -> pa.Table:
    """One row an input and unit, the first with a label, in order of time."""
    given: dict[str, object] = {
        "champion": run.champion,
        "challenger": run.challenger,
        "champion_version": run.champion_version,
        "challenger_version": run.challenger_version,
        "since": run.started_at / 1e6,
        "now": now,
    }
    parts = [_PAIRS.format(answer=answer, input=input_)]
    if label is None:
        parts.append(_NO_LABELS)
    else:
        found = labels_of_rows("pairs", label.field, "$label", "$path")
        parts += [HAPPENED, _LABELS.format(found=found)]
        given |= {"outcomes": [label.outcome], "back": 0.0, "label": label.outcome}
        given |= {} if label.field is None else {"path": path(label.field)}
    query = _READ.format(right=is_right("l", "p.answer"), other_right=is_right("l", "p.other"))
    return view.sql(f"WITH {', '.join(parts)} {query}", given)


def _independent(pairs: pa.Table, order: np.ndarray[tuple[int], np.dtype[np.int64]]) -> pa.Array:
    """Positions, in ``order``, of pairs whose input and unit were both not met before."""
    inputs, units = pairs["input"].to_pylist(), pairs["unit"].to_pylist()
    seen_inputs: set[str] = set()
    seen_units: set[str] = set()
    kept = []
    for position in order.tolist():
        if inputs[position] not in seen_inputs and units[position] not in seen_units:
            seen_inputs.add(inputs[position])
            seen_units.add(units[position])
            kept.append(position)
    return pa.array(kept, pa.int64())


def _classification(
    found: _Pairs, deployment: Deployment, run: ReleaseRun, inputs: str, label: Label | None
) -> ShadowComparison:
    table = Counter(zip(found.independent["other"].to_pylist(), found.independent["answer"].to_pylist(), strict=True))
    agreed = agreement({pair: n for pair, n in table.items() if None not in pair})
    rights = Counter(
        zip(found.labelled["challenger_right"].to_pylist(), found.labelled["champion_right"].to_pylist(), strict=True)
    )
    accuracy = PairedAccuracy(
        both=rights[1, 1], treatment_only=rights[1, 0], control_only=rights[0, 1], neither=rights[0, 0]
    )
    challenger, champion = names(run)
    question = Question(
        metric="shadow accuracy",
        want="higher",
        margin=_margin(deployment),
        alpha=run.alpha,
        plan_units=run.plan_units,
        treatment=challenger,
        control=champion,
    )
    verdict = judge_pairs(accuracy, question)
    tests = mcnemar(accuracy.treatment_only, accuracy.control_only)
    comparison = ShadowComparison(
        pairs=found.pairs,
        inputs=found.independent.num_rows,
        clustered_by="input and unit",
        failures=found.failures,
        agreement=agreed.share,
        kappa=agreed.kappa,
        labelled=accuracy.pairs,
        champion_accuracy=verdict.control_mean,
        challenger_accuracy=verdict.treatment_mean,
        only_champion_right=accuracy.control_only,
        only_challenger_right=accuracy.treatment_only,
        verdict=verdict,
        fixed=tuple(_mcnemar(name, p) for name, p in (("exact", tests.exact), ("mid-p", tests.mid_p)))
        if accuracy.pairs
        else (),
        sentence="",
    )
    return msgspec.structs.replace(comparison, sentence=_sentence(comparison, run, inputs, labels=label is not None))


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


def _mcnemar(name: str, p_value: float) -> TestResult:
    return TestResult(
        method=f"McNemar, {name} (fixed)", statistic=None, p_value=p_value, note="Holds for one look at a planned end."
    )


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
    elif labels:
        parts.append(f"No label has arrived yet for {counted(found.inputs, inputs)}")
    if found.agreement is not None:
        parts.append(f"both answer the same on {_percent(found.agreement)} of {counted(found.inputs, inputs)}")
    if found.failures:
        parts.append(f"{challenger} failed on {count(found.failures)} of {count(found.pairs)} requests")
    text = "; ".join(parts) or f"{count(found.pairs)} pairs, none of which could be compared"
    return f"{text[0].upper()}{text[1:]}."


def _percent(share: float | None) -> str:
    return "unknown" if share is None else f"{100 * share:.4g}%"


def _regression(found: _Pairs, run: ReleaseRun, inputs: str) -> ShadowComparison:
    challenger, _ = names(run)
    labelled = _floats(found.labelled, ("answer", "other", "label"))
    answers = _floats(found.independent, ("answer", "other"))
    errors = np.abs(labelled["other"] - labelled["label"]) - np.abs(labelled["answer"] - labelled["label"])
    of_errors = paired_difference(Moments.from_values(errors), run.alpha)
    of_answers = paired_difference(Moments.from_values(answers["other"] - answers["answer"]), run.alpha)
    return ShadowComparison(
        pairs=found.pairs,
        inputs=found.independent.num_rows,
        clustered_by="input and unit",
        failures=found.failures,
        labelled=len(errors),
        fixed=(
            msgspec.structs.replace(of_errors, method="paired t of absolute errors (fixed)"),
            msgspec.structs.replace(of_answers, method="paired t of answers (fixed)"),
        ),
        sentence=_regression_sentence(of_errors, len(errors), of_answers, len(answers["other"]), challenger, inputs),
    )


def _regression_sentence(
    errors: TestResult, labelled: int, answers: TestResult, n: int, challenger: str, inputs: str
) -> str:
    if errors.effect is not None and errors.lower is not None and errors.upper is not None:
        settled = "smaller" if errors.upper < 0 else "larger" if errors.lower > 0 else "not shown to differ"
        return (
            f"On {counted(labelled, inputs)}, the absolute errors of {challenger} are {settled}: the difference is "
            f"{errors.effect:+.3g} on average ({errors.lower:+.3g} to {errors.upper:+.3g}, one look)."
        )
    if answers.effect is not None:
        return f"On {counted(n, inputs)}, the answers of {challenger} differ by {answers.effect:+.3g} on average."
    return f"No pair of {challenger} could be compared yet."


def _floats(table: pa.Table, names_: tuple[str, ...]) -> dict[str, np.ndarray[tuple[int], np.dtype[np.float64]]]:
    """Columns as numbers, of the rows that have all of them."""
    columns = {name: np.asarray(table[name].to_pylist(), dtype=np.float64) for name in names_}
    whole = np.all([np.isfinite(column) for column in columns.values()], axis=0)
    return {name: column[whole] for name, column in columns.items()}
