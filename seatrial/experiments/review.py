"""Pairs of answers for people to judge, a stratified sample of where champion and challenger disagree and some of where
they agree; and what the judged sample says of all pairs."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from seatrial.experiments.labels import plain_label
from seatrial.experiments.measures import answer_column
from seatrial.experiments.source import Source
from seatrial.ledger.sql import quoted
from seatrial.releases.run import ReleaseRun
from seatrial.spec.errors import BadInput
from seatrial.stats.stratified import Weighted, allocate, weighted_ratio

LABEL = "label"
"""The column that people fill in."""

COLUMNS = ("request_id", "row", "unit", "at", "champion", "challenger", "stratum", "pairs", "probability")
MOST_STRATA = 400

_PAIRS = """
WITH pairs AS (
  SELECT a.request_id, a."row" AS i, a.unit, strftime(a."at", '%Y-%m-%dT%H:%M:%S.%fZ') AS happened,
         CAST(a.answer AS VARCHAR) AS champion, CAST(s.answer AS VARCHAR) AS challenger, {features}
  FROM (SELECT *, {answer} AS answer FROM rows WHERE role = 'answer' AND variant = $champion
          AND assigned_version = $champion_version AND status = 'ok' AND answered_by IN ('assigned', 'cache')
          AND "at" >= to_timestamp($since)) a
  JOIN (SELECT request_id, "row", {answer} AS answer FROM rows WHERE role = 'shadow' AND variant = $challenger
          AND assigned_version = $challenger_version AND status = 'ok' AND "at" >= to_timestamp($since)) s
    ON s.request_id = a.request_id AND s."row" = a."row"
  WHERE a.answer IS NOT NULL AND s.answer IS NOT NULL
), told AS (
  SELECT *,
         CASE WHEN champion = challenger THEN 'both ' || champion ELSE champion || ' or ' || challenger END AS stratum
  FROM pairs
)"""
_SIZES = "SELECT stratum, bool_and(champion <> challenger) AS apart, count(*) AS n FROM told GROUP BY 1 ORDER BY 1"
_DRAWN = """
SELECT * EXCLUDE (place), n AS pairs FROM (
  SELECT *, count(*) OVER (PARTITION BY stratum) AS n,
         row_number() OVER (PARTITION BY stratum ORDER BY hash(request_id, i, $seed), request_id, i) AS place
  FROM told) JOIN (SELECT unnest($strata) AS stratum, unnest($wanted) AS most) USING (stratum)
WHERE place <= most ORDER BY stratum, request_id, i"""


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """What the judged sample says of one model, over all pairs.

    Attributes:
        accuracy: Share of pairs that it got right.
        precision, recall: By label.
    """

    accuracy: Weighted
    precision: dict[str, Weighted]
    recall: dict[str, Weighted]


class Review(msgspec.Struct, frozen=True, kw_only=True):
    """What a filled file says.

    Attributes:
        drawn: Rows of the file.
        labelled: Of these, rows with a label.
        pairs: Pairs that they stand for.
        champion, challenger: Each model.
        difference: Accuracy of the challenger less the champion's.
        sentence: One plain sentence.
    """

    drawn: int
    labelled: int
    pairs: int
    champion: Model
    challenger: Model
    difference: Weighted
    sentence: str


def draw(
    view: Source, run: ReleaseRun, features: Sequence[str], *, disagreements: int, agreements: int, seed: int = 0
) -> list[dict[str, Any]]:
    """The rows to judge, in strata of what the two models said.

    Args:
        view: The ledger.
        run: The two variants and their versions.
        features: Logged columns of ``rows`` (``feature.<name>``) that help to judge.
        disagreements: About how many pairs of different answers; of each kind two at least.
        agreements: About how many pairs of one answer: without any, the accuracy of either model is not known.
        seed: Another one draws another sample.

    Raises:
        BadInput: No pairs, or answers that are no classes.
    """
    answer = answer_column(view)
    if answer is None:
        raise BadInput("no answer with a label has been logged; a review judges classes, so use outcomes for numbers")
    picked = ", ".join(f"a.{quoted(name)} AS {quoted(name)}" for name in features) or "NULL AS nothing"
    asked = _PAIRS.format(answer=answer, features=picked)
    given = {
        "champion": run.champion,
        "champion_version": run.champion_version,
        "challenger": run.challenger,
        "challenger_version": run.challenger_version,
        "since": run.started_at / 1e6,
    }
    sizes = view.sql(f"{asked} {_SIZES}", given).to_pylist()
    if not sizes:
        raise BadInput("no request was answered by both versions; a review needs the `shadow` stage of a release")
    if len(sizes) > MOST_STRATA:
        raise BadInput(f"the answers fall into {len(sizes)} kinds of pairs; a review takes {MOST_STRATA} at most")
    wanted = allocate({s["stratum"]: s["n"] for s in sizes if s["apart"]}, disagreements)
    if agreements:
        wanted |= allocate({s["stratum"]: s["n"] for s in sizes if not s["apart"]}, agreements)
    if not wanted:
        raise BadInput("the two versions agree on every request; there is nothing to review")
    drawn = {"strata": list(wanted), "wanted": list(wanted.values()), "seed": seed}
    rows = view.sql(f"{asked} {_DRAWN}", given | drawn).to_pylist()
    return [_row(row, wanted, features) for row in rows]


def _row(row: Mapping[str, Any], wanted: Mapping[str, int], features: Sequence[str]) -> dict[str, Any]:
    fixed = {
        "request_id": row["request_id"],
        "row": row["i"],
        "unit": row["unit"],
        "at": row["happened"],
        "champion": row["champion"],
        "challenger": row["challenger"],
        "stratum": row["stratum"],
        "pairs": row["pairs"],
        "probability": wanted[row["stratum"]] / row["pairs"],
    }
    return {**fixed, **{name.removeprefix("feature."): row[name] for name in features}, LABEL: ""}


def assess(rows: Sequence[Mapping[str, str]]) -> Review:
    """What a filled file says of all pairs that it was drawn from.

    Args:
        rows: Of the file, as ``draw`` wrote them, labels filled in where somebody knew. A kind of pair without any
            label keeps its weight: nothing is then said of accuracy.

    Raises:
        BadInput: A column or a size is missing, or no row has a label.
    """
    missing = [name for name in (*COLUMNS, LABEL) if rows and name not in rows[0]]
    if missing or not rows:
        raise BadInput(f"this is no file that `seatrial review --out` wrote: it has no {', '.join(missing) or 'rows'}")
    filled = [row for row in rows if (row[LABEL] or "").strip()]
    if not filled:
        raise BadInput(f"no row has a {LABEL}; fill the column in and ask again")
    try:
        sizes = {row["stratum"]: int(row["pairs"]) for row in rows}
    except ValueError as error:
        raise BadInput(f"the column `pairs` holds no number ({error}); leave it as it was written") from None
    unknown = sorted(sizes.keys() - {row["stratum"] for row in filled})
    shown = {plain_label(row[name]): row[name] for row in rows for name in ("champion", "challenger")}
    truth = np.array([shown.get(plain_label(row[LABEL]), row[LABEL].strip()) for row in filled])
    answers = {name: np.array([shown[plain_label(row[name])] for row in filled]) for name in ("champion", "challenger")}
    strata = [row["stratum"] for row in filled]
    models = {name: _UNKNOWN if unknown else _model(said, truth, strata, sizes) for name, said in answers.items()}
    difference = _difference(rows, sizes)
    pairs = sum(sizes.values())
    return Review(
        drawn=len(rows),
        labelled=len(filled),
        pairs=pairs,
        champion=models["champion"],
        challenger=models["challenger"],
        difference=difference,
        sentence=_sentence(models["challenger"], models["champion"], difference, len(filled), pairs, unknown),
    )


_NOTHING = Weighted(value=None, lower=None, upper=None, labelled=0)
_UNKNOWN = Model(accuracy=_NOTHING, precision={}, recall={})


def _difference(rows: Sequence[Mapping[str, str]], sizes: Mapping[str, int]) -> Weighted:
    """Of accuracy: where both said the same it is 0, whatever the label."""
    apart, strata = [], []
    for row in rows:
        champion, challenger, label = (plain_label(row[name] or "") for name in ("champion", "challenger", LABEL))
        if label or champion == challenger:
            apart.append(float(challenger == label) - float(champion == label))
            strata.append(row["stratum"])
    if sizes.keys() - set(strata):
        return _NOTHING
    return weighted_ratio(apart, np.ones(len(apart)), strata, sizes)


def _model(said: Any, truth: Any, strata: Sequence[str], sizes: Mapping[str, int]) -> Model:
    right = (said == truth).astype(float)
    labels = sorted({*said.tolist(), *truth.tolist()})
    return Model(
        accuracy=weighted_ratio(right, np.ones(len(truth)), strata, sizes),
        precision={k: weighted_ratio(right * (said == k), (said == k).astype(float), strata, sizes) for k in labels},
        recall={k: weighted_ratio(right * (truth == k), (truth == k).astype(float), strata, sizes) for k in labels},
    )


def _sentence(
    challenger: Model, champion: Model, difference: Weighted, labelled: int, pairs: int, unknown: Sequence[str]
) -> str:
    by = f"By {labelled} judged pairs, which stand for {pairs}, "
    if difference.value is None:
        ends = "is not known"
    elif difference.lower is None or difference.upper is None:
        ends = f"is {100 * difference.value:+.2g} points, with no interval yet, for a kind of pair has one label alone"
    else:
        ends = f"{100 * difference.lower:+.2g} to {100 * difference.upper:+.2g} points, 95% for one look"
    if unknown:
        named = ", ".join(repr(one) for one in unknown)
        return (
            f"{by}how often either is right is not known: no pair of {named} has a label, so judge some; "
            f"the challenger's accuracy less the champion's: {ends}."
        )
    return (
        f"{by}the challenger is right on {_percent(challenger.accuracy)} and the champion on "
        f"{_percent(champion.accuracy)} (difference {ends})."
    )


def _percent(found: Weighted) -> str:
    return "nothing" if found.value is None else f"{found.value:.1%}"
