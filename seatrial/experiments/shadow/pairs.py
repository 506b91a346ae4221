"""Which pairs of answers there are, and which of them are independent observations.

The same input drawn again, or the same unit asking again, is the same observation again, so a pair counts only when
neither its input nor its unit was counted before. Labels are taken in the order of their arrival (one that was there
before its pair, in that of the pair), and a pair's label as it first arrived: what was counted once never changes, so a
sequence over it may be looked at any time. What a label was corrected to stands beside it, for analyses of one look.
"""

from collections.abc import Hashable, Iterable, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from seatrial.experiments.declared_measures import path
from seatrial.experiments.labels import is_right, labels_of_rows, one_spelling
from seatrial.experiments.outcome_tables import HAPPENED
from seatrial.experiments.ranking_measures import ITEMS, items_column
from seatrial.experiments.row_columns import answer_column, column_names, number_column
from seatrial.experiments.source import Source
from seatrial.experiments.units import SKEW
from seatrial.releases.run import ReleaseRun

VALUE = "prediction.value"
SCORE = "prediction.score"

_PAIRS = """
answers AS (
  SELECT request_id, "row" AS i, "key" AS k, unit, epoch_us("at") AS t, {input} AS input,
         CASE WHEN status = 'ok' AND answered_by IN ('assigned', 'cache') THEN {answer} END AS answer {scores}
  FROM rows WHERE role = 'answer' AND variant = $champion AND assigned_version = $champion_version
    AND "at" >= to_timestamp($since) AND epoch_us("at") <= $now
),
shadows AS (
  SELECT request_id, "row" AS i, status <> 'ok' AS failed, CASE WHEN status = 'ok' THEN {answer} END AS answer {scores}
  FROM rows WHERE role = 'shadow' AND variant = $challenger AND assigned_version = $challenger_version
    AND "at" >= to_timestamp($since) AND epoch_us("at") <= $now
),
pairs AS MATERIALIZED (
  SELECT row_number() OVER () AS r, a.*, s.answer AS other, s.failed {both}
  FROM answers a JOIN shadows s ON s.request_id = a.request_id AND s.i = a.i
)"""

_NO_LABELS = """labels AS (
  SELECT 0 AS r, 0 AS came, {'text': '', 'number': 0.0} AS told, {'text': '', 'number': 0.0} AS stands WHERE false
)"""

_LABELS = f"""
labels AS (
  SELECT n.r, greatest(min(n.came), any_value(p.t)) AS came,
         arg_min({{{{'text': n.text, 'number': n.number}}}}, n.came) AS told,
         arg_min({{{{'text': n.text, 'number': n.number}}}}, n.came) FILTER (n.until > $now) AS stands
  FROM ({{found}}) n JOIN pairs p ON p.r = n.r WHERE n.t >= p.t - {SKEW} GROUP BY n.r
)"""

_READ = """
SELECT p.request_id, p.i, p.input, p.unit, p.t, p.answer, p.other, p.failed, l.came {scores},
       {spelt} AS answer_spelt, {other_spelt} AS other_spelt,
       {right} AS champion_right, {other_right} AS challenger_right,
       l.stands IS NOT NULL AS stands, {right_now} AS champion_right_now, {other_right_now} AS challenger_right_now,
       coalesce(l.stands.text, CAST(l.stands.number AS VARCHAR)) AS truth,
       coalesce(l.stands.number, TRY_CAST(l.stands.text AS DOUBLE)) AS label,
       (SELECT count(*) FROM pairs) AS all_pairs, (SELECT count(*) FROM pairs q WHERE q.failed) AS failures
FROM pairs p LEFT JOIN labels l ON l.r = p.r
QUALIFY row_number() OVER (PARTITION BY p.input, p.unit ORDER BY l.came IS NULL, l.came, p.t, p.request_id, p.i) = 1
ORDER BY p.t, p.request_id, p.i"""


class Label(NamedTuple):
    """Where the truth is: an outcome, and the field of it that holds the label (None: its own value)."""

    outcome: str
    field: str | None


class Answered(NamedTuple):
    """What the two versions answer with: SQL of it, and whether those are numbers or lists (else labels)."""

    sql: str
    numbers: bool = False
    lists: bool = False


class Pairs(NamedTuple):
    """Pairs of one release.

    Attributes:
        pairs: All of them.
        failures: Of these, pairs in which the challenger failed.
        independent: A row an independent pair, in order of time; ``answer_spelt`` and ``other_spelt`` are labels in one
            spelling, which is what is compared, and ``answer`` and ``other`` what was said.
        labelled: A row an independent pair with a label, in order of the label's arrival.
        scores: Columns of scores; ``scores[j]`` stands as ``a<j>`` for the champion and ``b<j>`` for the challenger.
    """

    pairs: int
    failures: int
    independent: pa.Table
    labelled: pa.Table
    scores: tuple[str, ...]


def answered(view: Source, task: str) -> Answered:
    """What the rows of a task answer with."""
    columns, label = column_names(view), answer_column(view)
    if task == "ranking":
        return Answered(items_column(columns), lists=ITEMS in columns)
    if task == "regression" or (label is None and VALUE in columns):
        return Answered(number_column([VALUE], columns), numbers=True)
    return Answered(label or "NULL::VARCHAR")


def read_pairs(
    view: Source, run: ReleaseRun, now: int, answer: Answered, label: Label | None, *, scores: bool
) -> Pairs | None:
    """The pairs of a release at one moment; None without any.

    Args:
        view: Where rows and outcomes are read.
        run: The two variants and their versions.
        now: Microseconds since 1970 UTC; nothing later is seen.
        answer: What is compared.
        label: Where the truth is.
        scores: Whether the scores are read too.
    """
    columns = column_names(view)
    rated = tuple(sorted({n.split("#")[0] for n in columns if _is_score(n)})) if scores else ()
    table = view.sql(_query(answer, columns, rated, label), _given(run, now, label))
    if not table.num_rows:
        return None
    arrived = np.asarray(table["came"].to_pylist(), dtype=object)
    labelled = np.flatnonzero([moment is not None for moment in arrived])
    order = labelled[np.argsort(arrived[labelled].astype(np.int64), kind="stable")]
    return Pairs(
        pairs=table["all_pairs"][0].as_py(),
        failures=table["failures"][0].as_py(),
        independent=table.take(_independent(table, np.arange(table.num_rows))),
        labelled=table.take(_independent(table, order)),
        scores=rated,
    )


def floats(table: pa.Table, names: Sequence[str]) -> dict[str, NDArray[np.float64]]:
    """Columns as finite numbers, of the rows that have all of them."""
    columns = {name: np.asarray(table[name].to_pylist(), dtype=np.float64) for name in names}
    whole = np.all([np.isfinite(column) for column in columns.values()], axis=0)
    return {name: column[whole] for name, column in columns.items()}


def _is_score(name: str) -> bool:
    return name == SCORE or name.startswith((f"{SCORE}.", f"{SCORE}#"))


def _query(answer: Answered, columns: Sequence[str], scores: Sequence[str], label: Label | None) -> str:
    logged = "".join(f", {number_column([name], columns)} AS a{j}" for j, name in enumerate(scores))
    both = "".join(f", s.a{j} AS b{j}" for j in range(len(scores)))
    picked = "".join(f", p.a{j}, p.b{j}" for j in range(len(scores)))
    parts = [_PAIRS.format(answer=answer.sql, input=_input(columns), scores=logged, both=both)]
    if label is None:
        parts.append(_NO_LABELS)
    else:
        parts += [HAPPENED, _LABELS.format(found=labels_of_rows("pairs", label.field, "$label", "$path"))]
    whole = answer.numbers or answer.lists  # neither is right or wrong
    right = {
        name: "0" if whole else is_right(f"l.{when}", f"p.{whose}")
        for name, when, whose in (
            ("right", "told", "answer"),
            ("other_right", "told", "other"),
            ("right_now", "stands", "answer"),
            ("other_right_now", "stands", "other"),
        )
    }
    spelt = {
        name: "NULL::VARCHAR" if whole else one_spelling(f"p.{whose}")
        for name, whose in (("spelt", "answer"), ("other_spelt", "other"))
    }
    return f"WITH {', '.join(parts)} {_READ.format(scores=picked, **right, **spelt)}"


def _given(run: ReleaseRun, now: int, label: Label | None) -> dict[str, object]:
    given: dict[str, object] = {
        "champion": run.champion,
        "challenger": run.challenger,
        "champion_version": run.champion_version,
        "challenger_version": run.challenger_version,
        "since": run.started_at / 1e6,
        "now": now,
    }
    if label is not None:
        given |= {"outcomes": [label.outcome], "label": label.outcome}
        given |= {} if label.field is None else {"path": path(label.field)}
    return given


def _input(columns: Iterable[str]) -> str:
    """SQL of an input's identity: the same logged features; where none were logged, the unit."""
    features = [f'"{name}"' for name in columns if name.startswith("feature.")]
    if not features:
        return "unit"
    return f"CASE WHEN sampled THEN hash({', '.join(features)})::VARCHAR ELSE unit END"


def _independent(pairs: pa.Table, order: NDArray[np.int64]) -> pa.Array:
    return pa.array(independent(pairs["input"].to_pylist(), pairs["unit"].to_pylist(), order.tolist()), pa.int64())


def independent(inputs: Sequence[Hashable], units: Sequence[Hashable], order: Iterable[int]) -> list[int]:
    """Positions, in ``order``, of pairs whose input and unit were both not met before."""
    seen_inputs: set[Hashable] = set()
    seen_units: set[Hashable] = set()
    kept = []
    for position in order:
        if inputs[position] not in seen_inputs and units[position] not in seen_units:
            seen_inputs.add(inputs[position])
            seen_units.add(units[position])
            kept.append(position)
    return kept
