"""Labels of a review in the ledger: weighed to all pairs beside the plain comparison, and in no other number."""

import json
from typing import Any

import msgspec
import numpy as np
import pytest

from seatrial.experiments.judge import judge
from seatrial.experiments.review import assess, draw
from seatrial.experiments.shadow.compare import compare_shadow
from seatrial.experiments.shadow.comparison import ShadowComparison
from seatrial.experiments.shadow.table import lines
from seatrial.experiments.source import TableSource
from seatrial.ledger.reviewed import FIELDS
from tests import worlds
from tests.unit.experiments.test_review import NOW, REVIEW, answers, source
from tests.unit.experiments.test_shadow import DEPLOYMENT, RUN

SECOND = worlds.SECOND


def filled(rows: list[dict[str, Any]], truth: np.ndarray, **changes: Any) -> list[dict[str, str]]:
    return [{k: str(v) for k, v in row.items()} | {"label": truth[int(row["x"])]} | changes for row in rows]


def imported(rows: list[dict[str, str]], after: int = 1, outcome: str = "digit") -> dict[str, Any]:
    """Outcomes as ``outcome import`` writes them from a filled file."""
    at = np.array([worlds.START + int(float(row["x"])) * SECOND for row in rows])
    return worlds.outcomes(
        outcome,
        at,
        id=[f"{outcome}-{row['review']}-{row['request_id']}" for row in rows],
        request_id=[row["request_id"] for row in rows],
        row=[0] * len(rows),
        value_text=[row["label"] for row in rows],
        received_at=np.full(len(rows), NOW + after * SECOND),
        fields=[json.dumps({field: row[column] for field, column in FIELDS.items()}) for row in rows],
    )


def with_outcomes(pairs: TableSource, *parts: dict[str, Any]) -> TableSource:
    return TableSource(pairs.sql("SELECT * FROM rows", {}), worlds.table(*parts))


def compare(view: TableSource, now: int = NOW + 100 * SECOND) -> ShadowComparison:
    found = compare_shadow(DEPLOYMENT, RUN, view, now)
    assert found is not None
    return found


def world(disagreements: int = 300, agreements: int = 200) -> tuple[TableSource, np.ndarray, list[dict[str, Any]]]:
    truth, champion, challenger = answers()
    pairs = source(champion, challenger)
    return pairs, truth, draw(pairs, RUN, ["feature.x"], now=NOW, disagreements=disagreements, agreements=agreements)


def test_imported_labels_tell_the_accuracy_of_all_pairs_and_no_verdict_of_their_own() -> None:
    pairs, truth, drawn = world()
    found = compare(with_outcomes(pairs, imported(filled(drawn, truth))))
    assert (found.labelled, found.fixed) == (0, ())
    judged = found.judged
    assert judged is not None
    assert msgspec.structs.replace(judged, drawn=len(drawn)) == assess(filled(drawn, truth))
    _, champion, challenger = answers()
    for model, said in ((judged.champion, champion), (judged.challenger, challenger)):
        share = (said == truth).mean()
        assert model.accuracy.lower is not None
        assert model.accuracy.upper is not None
        assert model.accuracy.lower < share < model.accuracy.upper
    alike = np.mean([row["challenger"] == truth[int(row["x"])] for row in drawn])
    assert abs(alike - (challenger == truth).mean()) > 0.05, "weighed alike they would miss it"
    assert "judged pairs, which stand for 4 000" in found.sentence
    assert "No label has arrived" not in found.sentence
    assert {"judged: accuracy", "judged: recall of dog"} <= {line.what for line in lines(found)}
    assert msgspec.json.decode(msgspec.json.encode(found), type=ShadowComparison) == found


def test_labels_that_came_by_themselves_are_compared_without_those_of_the_review() -> None:
    pairs, truth, drawn = world()
    own = worlds.outcomes(
        "digit", worlds.START + np.arange(100) * SECOND + 1, request_id=[f"request-{i}" for i in range(100)],
        value_text=truth[:100].tolist(),
    )  # fmt: skip
    plain = compare(with_outcomes(pairs, own))
    both = compare(with_outcomes(pairs, own, imported(filled(drawn, truth))))
    assert both.labelled == plain.labelled == 100
    assert both.verdict == plain.verdict
    assert plain.judged is None
    assert both.judged is not None


def test_no_metric_of_live_answers_counts_them() -> None:
    run = worlds.release((0.5, 0))
    n = 400
    rows = worlds.rows(run, worlds.unit_names(n), worlds.START + np.arange(n) * SECOND, **{"prediction.label": [1] * n})
    labels = worlds.outcomes(
        "digit", worlds.START + np.arange(n) * SECOND + 1, request_id=[f"request-{i}" for i in range(n)],
        value_number=[1.0] * n, fields=[json.dumps(dict.fromkeys(FIELDS, "1"))] * n,
    )  # fmt: skip
    now = worlds.START + 40_000 * SECOND
    marked = judge(DEPLOYMENT, run, worlds.source([rows], [labels]), now).metric("accuracy")
    assert (marked.counts.champion, marked.counts.challenger) == (0, 0)
    labels["fields"] = ["{}"] * n
    assert judge(DEPLOYMENT, run, worlds.source([rows], [labels]), now).metric("accuracy").counts.champion > 100


def test_the_newest_review_speaks_and_what_arrives_later_is_not_seen() -> None:
    pairs, truth, drawn = world()
    wrong = filled(drawn, truth, label="cat", review="2023-11-25T12:00:00Z/0")
    both = with_outcomes(pairs, imported(wrong), imported(filled(drawn, truth), after=50))
    found = compare(both).judged
    assert found is not None
    assert found.review == REVIEW
    before = compare(both, NOW + 20 * SECOND).judged
    assert before is not None
    assert before.review == wrong[0]["review"]


def test_a_review_without_agreements_tells_the_difference_alone() -> None:
    pairs, truth, drawn = world(agreements=0)
    judged = compare(with_outcomes(pairs, imported(filled(drawn, truth)))).judged
    assert judged is not None
    assert judged.champion.accuracy.value is None
    _, champion, challenger = answers()
    assert judged.difference.lower is not None
    assert judged.difference.upper is not None
    assert judged.difference.lower < (challenger == truth).mean() - (champion == truth).mean() < judged.difference.upper


def test_a_file_that_somebody_changed_is_said_and_stops_nobody() -> None:
    pairs, truth, drawn = world()
    rows = filled(drawn, truth)
    changed = [row | ({"pairs": "7"} if i == 0 else {}) for i, row in enumerate(rows)]
    found = compare(with_outcomes(pairs, imported(changed)))
    assert found.judged is not None
    assert found.judged.difference.value is None
    assert "cannot be weighed" in found.sentence


@pytest.mark.parametrize("change", [{"population": "many"}, {"pairs": ""}])
def test_sizes_that_are_no_numbers_are_no_review(change: dict[str, str]) -> None:
    pairs, truth, drawn = world()
    assert compare(with_outcomes(pairs, imported([row | change for row in filled(drawn, truth)]))).judged is None
