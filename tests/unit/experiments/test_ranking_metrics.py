"""Metrics of lists by hand, beside scikit-learn's NDCG and our own functions of tables of gains."""

import json
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import ndcg_score

from seatrial.experiments.declared_measures import declared_measures
from seatrial.experiments.judge import judge
from seatrial.experiments.measure import Column
from seatrial.experiments.question import read
from seatrial.stats import ranking
from tests import worlds

SECOND = worlds.SECOND
RUN = worlds.release((0.5, 0))
END = worlds.START + 1000 * SECOND
KINDS = ("hit_rate", "precision_at", "recall_at", "ndcg", "mrr")
ITEMS = ["a", "b", "c", "d", "e", "f"]


def lists(rows: dict[str, Any], shown: list[list[str] | None]) -> dict[str, Any]:
    said = [
        None if one is None else json.dumps([{"item": i, "score": 1 / (n + 1)} for n, i in enumerate(one)])
        for one in shown
    ]
    return rows | {"prediction.json": said}


def measured(rows: dict[str, Any], *outcomes: dict[str, Any], k: int = 3, credit: str = "request") -> dict[str, Column]:
    spec = {"outcome": "click", "within": 60.0, "grace": 10.0, "k": k, "credit": credit}
    deployment = worlds.deployment(
        task="ranking", outcomes={"click": {}}, metrics={kind: {"kind": kind, **spec} for kind in KINDS}
    )
    return read(worlds.source([rows], outcomes), RUN, declared_measures(deployment, RUN), END)[1]


def at(*seconds: float) -> list[int]:
    return [worlds.START + round(second * SECOND) for second in seconds]


def test_every_metric_is_what_it_is_by_hand() -> None:
    rows = lists(worlds.rows(RUN, ["u", "v"], at(0, 1)), [["a", "b", "c", "d"], ["a", "b"]])
    clicked = worlds.outcomes("click", at(5, 5, 5), request_id=["request-0"] * 3, item=["b", "d", "z"])
    found = measured(rows, clicked)
    assert found["hit_rate"].x.tolist() == [1, 0]
    assert found["precision_at"].x == pytest.approx([1 / 3, 0])
    assert found["recall_at"].x == pytest.approx([1 / 3, 0])
    assert found["recall_at"].y.tolist() == [1, 0], "a list of which nothing was relevant says nothing of recall"
    assert found["mrr"].x.tolist() == [0.5, 0]
    best = 1 + 1 / np.log2(3) + 1 / 2
    assert found["ndcg"].x == pytest.approx([1 / np.log2(3) / best, 0])
    assert found["ndcg"].y.tolist() == [1, 0]


@pytest.mark.parametrize("k", [1, 3, 6])
def test_random_lists_agree_with_tables_of_gains_and_with_scikit_learn(k: int) -> None:
    rng = np.random.default_rng(k)
    n = 40
    shown = [rng.permutation(ITEMS).tolist() for _ in range(n)]
    taken = [[i for i in ITEMS if rng.random() < 0.3] for _ in range(n)]
    rows = lists(worlds.rows(RUN, worlds.unit_names(n), at(*range(n))), shown)
    pairs = [(u, i) for u in range(n) for i in taken[u]]
    clicked = worlds.outcomes(
        "click",
        at(*(u + 1 for u, _ in pairs)),
        request_id=[f"request-{u}" for u, _ in pairs],
        item=[i for _, i in pairs],
    )
    found = measured(rows, clicked, k=k)
    gains = np.array([[float(i in taken[u]) for i in shown[u]] for u in range(n)])
    relevant = [len(t) for t in taken]
    expected = {
        "hit_rate": ranking.hit_rate(gains, k),
        "precision_at": ranking.precision_at(gains, k),
        "recall_at": ranking.recall_at(gains, k, relevant),
        "ndcg": ranking.ndcg_at(gains, k),
        "mrr": ranking.mean_reciprocal_rank(gains, k),
    }
    for kind, rated in expected.items():
        assert found[kind].x == pytest.approx(rated.numerator, rel=1e-12)
        assert found[kind].y == pytest.approx(rated.denominator)
    order = -np.arange(len(ITEMS), dtype=float)
    any_relevant = [u for u in range(n) if taken[u]]
    sklearn = [ndcg_score([gains[u]], [order], k=k) for u in any_relevant]
    assert found["ndcg"].x[any_relevant] == pytest.approx(sklearn, rel=1e-12)


def test_an_item_counts_once_a_list_however_often_it_is_taken() -> None:
    rows = lists(worlds.rows(RUN, ["u"], at(0)), [["a", "b", "c"]])
    clicked = worlds.outcomes("click", at(1, 2, 3), request_id=["request-0"] * 3, item=["a"] * 3)
    assert measured(rows, clicked)["precision_at"].x == pytest.approx([1 / 3])


def test_by_item_the_last_list_that_showed_it_is_credited() -> None:
    rows = lists(worlds.rows(RUN, ["u", "u", "u", "v"], at(0, 10, 20, 0)), [["a", "b"], ["a", "c"], ["a", "d"], ["a"]])
    bought = worlds.outcomes("click", at(15, 16, 17), unit=["u"] * 3, item=["a", "b", "z"])
    found = measured(rows, bought, credit="item")
    assert found["hit_rate"].x.tolist() == [2, 0], "a on the second list, b on the first; z nobody showed"
    assert found["hit_rate"].y.tolist() == [3, 1]
    assert found["mrr"].x.tolist() == [1.5, 0]
    assert measured(rows, bought)["hit_rate"].x.tolist() == [0, 0], "without a request nothing is credited to one"


def test_by_item_a_list_that_was_shown_afterwards_is_credited_only_where_there_is_none_before() -> None:
    rows = worlds.rows(RUN, ["u", "u", "u", "v", "v", "w"], at(0, 10, 20, 11, 12, 5))
    shown = lists(rows, [["b", "a"], ["c", "b", "a"], ["a"], ["a", "b"], ["b", "a"], ["a"]])
    bought = worlds.outcomes("click", at(10, 10, 4.999), unit=["u", "v", "w"], item=["a", "a", "a"])
    found = measured(shown, bought, credit="item")["mrr"]
    assert found.x == pytest.approx([1 / 3, 1, 1]), "u at that moment, v by the first list after it, w too"


def test_by_item_of_two_lists_at_one_moment_the_same_is_credited_however_they_lie() -> None:
    names, both = ["request-a", "request-b"], [["a", "b"], ["b", "a"]]
    bought = worlds.outcomes("click", at(1), unit=["u"], item=["a"])
    for way in (1, -1):
        rows = lists(worlds.rows(RUN, ["u", "u"], at(0, 0), request_id=names[::way]), both[::way])
        assert measured(rows, bought, credit="item")["mrr"].x == pytest.approx([0.5])


def test_what_came_late_counts_later_and_what_happened_after_the_window_never() -> None:
    rows = lists(worlds.rows(RUN, ["u", "v"], at(0, 0)), [["a"], ["a"]])
    late = worlds.outcomes(
        "click", at(5, 61), request_id=["request-0", "request-1"], item=["a", "a"], received_at=at(71, 61)
    )
    found = measured(rows, late)["hit_rate"]
    assert (found.x.tolist(), found.x_all.tolist(), found.late.tolist()) == ([0, 0], [1, 0], [1, 0])


def test_an_unanswered_request_showed_nothing_and_stays() -> None:
    rows = lists(worlds.rows(RUN, ["u", "v"], at(0, 1), status=["error", "ok"]), [None, ["a"]])
    found = measured(rows, worlds.outcomes("click", at(5), request_id=["request-0"], item=["a"]))
    assert found["hit_rate"].x.tolist() == [0, 0]
    assert found["hit_rate"].y.tolist() == [1, 1]
    assert found["recall_at"].y.tolist() == [1, 0]


def deployment() -> Any:
    return worlds.deployment(
        task="ranking",
        outcomes={"click": {}},
        metrics={"found": {"kind": "hit_rate", "outcome": "click", "within": 60.0, "grace": 10.0, "k": 2}},
        release={
            "of": "challenger",
            "into": "everybody",
            "stages": [{"kind": "test"}],
            "primary": {"metric": "found", "minimum_effect": {"absolute": 0.01}},
        },
    )


def test_a_challenger_that_ranks_better_is_to_be_shipped() -> None:
    n = 3000
    rows = worlds.rows(RUN, worlds.unit_names(n), np.full(n, worlds.START))
    better = rows["variant"] == "challenger"
    rng = np.random.default_rng(1)
    top = np.where(rng.random(n) < np.where(better, 0.5, 0.4), "a", "b")
    rows = lists(rows, [[str(t), "c", "d"] for t in top])
    clicked = worlds.outcomes("click", np.full(n, worlds.START + SECOND), request_id=rows["request_id"], item=["a"] * n)
    found = judge(deployment(), RUN, worlds.source([rows], [clicked]), END)
    assert (found.metric("found").verdict.word, found.recommendation) == ("better", "ship")
    assert "%" in found.metric("found").sentence


def test_lists_that_were_never_logged_are_said() -> None:
    rows = worlds.rows(RUN, ["a"], [worlds.START])
    assert "no list has been logged" in judge(deployment(), RUN, worlds.source([rows]), END).sentence


def test_click_through_counts_what_was_shown_and_tells_each_place() -> None:
    rows = lists(
        worlds.rows(RUN, ["u", "u", "v", "w"], at(0, 1, 2, 3), status=["ok", "ok", "ok", "error"]),
        [["a", "b", "c", "d"], ["a", "b"], ["b"], None],
    )
    clicked = worlds.outcomes("click", at(5, 5, 6, 6), request_id=["request-0", "request-0", "request-1", "request-2"],
                              item=["b", "d", "a", "z"])  # fmt: skip
    spec = {"kind": "click_through", "outcome": "click", "within": 60.0, "grace": 10.0, "k": 3}
    shop = worlds.deployment(task="ranking", outcomes={"click": {}}, metrics={"ctr": spec})
    found = read(worlds.source([rows], [clicked]), RUN, declared_measures(shop, RUN), END)[1]["ctr"]
    assert found.x.tolist() == [2, 0, 0]
    assert found.y.tolist() == [5, 1, 0], "three places of four, two, one; nobody answered w"
    assert found.answers is not None
    columns = (found.answers.unit, found.answers.score, found.answers.label)
    seen = sorted(zip(*(one.tolist() for one in columns), strict=True))
    assert seen == [(0, 1, 0), (0, 1, 1), (0, 2, 0), (0, 2, 1), (0, 3, 0), (1, 1, 0)]


def many(n: int, better: float = 0.5) -> tuple[dict[str, Any], dict[str, Any]]:
    """The challenger's first place is clicked more; it shows many items, and the champion few."""
    rng = np.random.default_rng(1)
    rows = worlds.rows(RUN, worlds.unit_names(n), np.full(n, worlds.START))
    challenger = rows["variant"] == "challenger"
    wide = [rng.permutation(40)[:4].tolist() if one else rng.permutation(8)[:4].tolist() for one in challenger]
    shown = [[f"i{i}" for i in one] for one in wide]
    first = rng.random(n) < np.where(challenger, better, 0.3)
    third = rng.random(n) < 0.1
    takes = [(u, p) for u in range(n) for p, taken in ((0, first[u]), (2, third[u])) if taken]
    clicked = worlds.outcomes(
        "click",
        np.full(len(takes), worlds.START + SECOND),
        request_id=[f"request-{u}" for u, _ in takes],
        item=[shown[u][p] for u, p in takes],
    )
    return lists(rows, shown), clicked


def judged(metrics: dict[str, Any], n: int = 2000, **given: Any) -> Any:
    rows, clicked = many(n)
    shop = deployment().model_copy(
        update={"metrics": {**deployment().metrics, **worlds.deployment(metrics=metrics).metrics}}
    )
    return judge(shop, RUN, worlds.source([rows], [clicked]), END, **given)


def test_each_place_of_each_variant_has_its_share_and_interval() -> None:
    spec = {"kind": "click_through", "outcome": "click", "within": 60.0, "grace": 10.0, "k": 3}
    metric = judged({"ctr": spec}).metric("ctr")
    assert [(one.variant, one.place) for one in metric.places] == [
        *(("champion", place) for place in (1, 2, 3)),
        *(("challenger", place) for place in (1, 2, 3)),
    ]
    first = {one.variant: one for one in metric.places if one.place == 1}
    assert first["champion"].lower < 0.3 < first["champion"].upper
    assert first["challenger"].lower < 0.5 < first["challenger"].upper
    assert first["challenger"].shown + first["champion"].shown == 2000
    second = [one.share for one in metric.places if one.place == 2]
    assert second == [0, 0]
    assert metric.verdict.word == "better"
    assert "%" in metric.sentence


def test_coverage_is_shown_at_one_number_of_units_and_never_judged() -> None:
    spec = {"kind": "coverage", "within": 60.0, "catalogue": 50, "k": 4}
    found = judged({"shown": spec})
    metric = found.metric("shown")
    champion, challenger = metric.scores
    assert (champion.value, challenger.value) == (pytest.approx(8 / 50), pytest.approx(40 / 50))
    assert metric.fixed[0].effect == pytest.approx(32 / 50)
    assert "jackknife by unit (fixed)" in metric.fixed[0].method
    assert metric.verdict.word == "no-data"
    assert "shown to anybody: 40 and 8. It is shown and never judged." in metric.sentence
    assert found.recommendation == "ship", "it decides nothing"


def test_a_catalogue_said_to_be_smaller_than_it_is_stops_nobody() -> None:
    spec = {"kind": "coverage", "within": 60.0, "catalogue": 10, "k": 4}
    metric = judged({"shown": spec}).metric("shown")
    assert metric.scores == ()
    assert "40 items shown of 10" in metric.sentence
    few = judged({"shown": spec | {"catalogue": 50}}, n=120).metric("shown")
    assert "of 100 matured units in the smaller arm" in few.sentence


def test_over_changing_weights_no_coverage_is_told() -> None:
    run = worlds.release((0.2, 0), (0.5, 100))
    n = 1500
    rows = worlds.rows(run, worlds.unit_names(n), worlds.START + np.arange(n) * SECOND // 5)
    rows = lists(rows, [["a", "b"]] * n)
    spec = {"kind": "coverage", "within": 1.0, "catalogue": 9, "k": 2}
    shop = deployment().model_copy(
        update={"metrics": {**deployment().metrics, **worlds.deployment(metrics={"shown": spec}).metrics}}
    )
    metric = judge(shop, run, worlds.source([rows]), END).metric("shown")
    assert "cannot be combined" in metric.sentence
