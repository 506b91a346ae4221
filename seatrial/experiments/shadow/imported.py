"""Judged pairs from the ledger: labels that came with a review's file, weighed by the sizes that they carry."""

from collections.abc import Sequence

from seatrial.experiments.outcome_tables import happened
from seatrial.experiments.shadow.comparison import JudgedModel, Review
from seatrial.experiments.shadow.judged import Judged, Population, weigh
from seatrial.experiments.shadow.pairs import Answered
from seatrial.experiments.source import Source
from seatrial.ledger.reviewed import REVIEWED
from seatrial.releases.run import ReleaseRun
from seatrial.spec.errors import BadInput
from seatrial.stats.stratified import NOTHING

_ANY = f"SELECT count(*) AS n FROM all_outcomes WHERE outcome IN (SELECT unnest($outcomes)) AND {REVIEWED}"

_JUDGED = """
SELECT json_extract_string(h."fields", '$."review.id"') AS review,
       TRY_CAST(json_extract_string(h."fields", '$."review.pairs"') AS BIGINT) AS pairs,
       TRY_CAST(json_extract_string(h."fields", '$."review.population"') AS BIGINT) AS population,
       TRY_CAST(json_extract_string(h."fields", '$."review.disagreements"') AS BIGINT) AS disagreements,
       coalesce(h.value_text, CAST(h.value_number AS VARCHAR)) AS label,
       CAST(a.answer AS VARCHAR) AS champion, CAST(s.answer AS VARCHAR) AS challenger
FROM happened h
JOIN (SELECT request_id, "row" AS i, {answer} AS answer FROM rows
      WHERE role = 'answer' AND variant = $champion AND assigned_version = $champion_version AND status = 'ok'
        AND answered_by IN ('assigned', 'cache') AND "at" >= to_timestamp($since)) a
  ON a.request_id = h.request_id AND a.i = h.i
JOIN (SELECT request_id, "row" AS i, {answer} AS answer FROM rows
      WHERE role = 'shadow' AND variant = $challenger AND assigned_version = $challenger_version AND status = 'ok'
        AND "at" >= to_timestamp($since)) s
  ON s.request_id = h.request_id AND s.i = h.i
WHERE h.until > $now AND a.answer IS NOT NULL AND s.answer IS NOT NULL AND pairs IS NOT NULL
  AND population IS NOT NULL AND disagreements IS NOT NULL AND label IS NOT NULL
QUALIFY row_number() OVER (PARTITION BY review, h.request_id, h.i ORDER BY h.came DESC, h.h) = 1
ORDER BY review, h.request_id, h.i"""


def imported_review(
    view: Source, run: ReleaseRun, now: int, answer: Answered, outcomes: Sequence[str]
) -> Review | None:
    """What the newest review among the labels says; None without any.

    Args:
        view: Where rows and outcomes are read.
        run: The two variants and their versions.
        now: Microseconds since 1970 UTC; nothing that arrived later is seen.
        answer: What the two answer with.
        outcomes: Names of the outcomes that are labels.
    """
    named = {"outcomes": list(outcomes)}
    if answer.numbers or answer.lists or not outcomes or not view.sql(_ANY, named)["n"][0].as_py():
        return None
    given: dict[str, object] = {
        **named,
        "champion": run.champion,
        "challenger": run.challenger,
        "champion_version": run.champion_version,
        "challenger_version": run.challenger_version,
        "since": run.started_at / 1e6,
        "now": now,
    }
    rows = view.sql(f"WITH {happened(REVIEWED)} {_JUDGED.format(answer=answer.sql)}", given).to_pylist()
    if not rows:
        return None
    newest = rows[-1]["review"]
    own = [row for row in rows if row["review"] == newest]
    judged = [Judged(row["champion"], row["challenger"], row["label"], row["pairs"]) for row in own]
    population = Population(own[-1]["population"], own[-1]["disagreements"])
    try:
        return weigh(judged, population, review=newest, alpha=run.alpha)
    except BadInput as error:  # a file that somebody changed must not stop the loop
        return _unweighed(newest, len(judged), population, str(error))


def _unweighed(review: str, labelled: int, population: Population, why: str) -> Review:
    unknown = JudgedModel(accuracy=NOTHING, precision={}, recall={})
    return Review(
        review=review,
        drawn=0,
        labelled=labelled,
        pairs=population.pairs,
        champion=unknown,
        challenger=unknown,
        difference=NOTHING,
        sentence=f"The review {review} cannot be weighed: {why}.",
    )
