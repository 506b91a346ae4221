"""Lists of two rankings on the same requests: how alike they are, and the plain word that this is all."""

import json
from typing import Any

import numpy as np
import pytest

from seatrial.experiments.shadow.compare import compare_shadow
from seatrial.experiments.shadow.comparison import ShadowComparison
from seatrial.stats.ranking import overlap_at, rank_biased_overlap
from tests import worlds
from tests.unit.experiments.test_shadow import NOW, RUN, pairs

UNSEEN = "nobody saw its lists, so this shadow cannot show whether items that only it put up would be clicked"


def deployment(**metrics: Any) -> Any:
    return worlds.deployment(
        task="ranking",
        outcomes={"click": {}},
        metrics=metrics,
        release={
            "of": "challenger",
            "into": "everybody",
            "stages": [{"kind": "shadow"}],
            "primary": {"metric": "errors", "minimum_effect": {"absolute": 0.01}},
        },
    )


def shown(*lists: list[str] | None) -> list[str | None]:
    return [None if one is None else json.dumps([{"item": item, "score": 1.0} for item in one]) for one in lists]


def compare(ours: list[str | None], theirs: list[str | None], **given: Any) -> ShadowComparison:
    source = pairs(ours, theirs, column="prediction.json", **given)
    found = compare_shadow(given.get("deployment", deployment()), RUN, source, NOW, in_detail=True)
    assert found is not None
    return found


def test_overlap_and_rank_biased_overlap_are_means_over_the_pairs() -> None:
    rng = np.random.default_rng(3)
    lists = [[rng.permutation(list("abcdefghijklmn"))[:10].tolist() for _ in range(2)] for _ in range(40)]
    found = compare(shown(*(one for one, _ in lists)), shown(*(other for _, other in lists)))
    like = found.likeness
    assert like is not None
    assert (like.pairs, like.k) == (40, 10)
    overlaps = [overlap_at(one, other, 10) for one, other in lists]
    biased = [rank_biased_overlap(one, other, like.persistence) for one, other in lists]
    assert like.overlap == pytest.approx(np.mean(overlaps))
    assert like.rank_biased_overlap == pytest.approx(np.mean(biased))
    half = 2.022691 * np.std(biased, ddof=1) / np.sqrt(40)
    assert like.rank_biased_ends is not None
    assert like.rank_biased_ends.upper == pytest.approx(np.mean(biased) + half, rel=1e-6)
    assert found.verdict is None
    assert UNSEEN in found.sentence
    assert "one look" in found.sentence


def test_the_places_that_count_are_those_of_the_metrics_of_lists() -> None:
    spec = {"kind": "ndcg", "outcome": "click", "within": 60.0, "k": 2}
    found = compare_shadow(
        deployment(gains=spec), RUN, pairs(shown(list("abc")), shown(list("acb")), column="prediction.json"), NOW
    )
    assert found is not None
    assert found.likeness is not None
    assert (found.likeness.k, found.likeness.overlap) == (2, 0.5)
    assert found.likeness.overlap_ends is None, "one pair has no spread"


def test_lists_shorter_than_the_places_are_alike_when_they_hold_the_same() -> None:
    found = compare(shown(list("ab"), []), shown(list("ba"), []))
    assert found.likeness is not None
    assert found.likeness.overlap == 1


def test_what_a_model_may_do_to_its_list_harms_nobody() -> None:
    """An item twice stands where it stood first; a failed challenger gave no list."""
    found = compare(
        shown(list("aab"), ["c"], ["d"]), [*shown(list("ab"), ["c"]), None], challenger_status=["ok", "ok", "error"]
    )
    assert found.likeness is not None
    assert (found.likeness.pairs, found.likeness.overlap, found.failures) == (2, 1, 1)
    assert "failed on 1 of 3 requests" in found.sentence


def test_the_lists_that_differ_most_come_first_with_their_requests() -> None:
    found = compare(shown(list("abc"), list("abc"), list("abcdefg")), shown(list("abc"), list("xyz"), list("bacdefg")))
    assert [(one.request_id, one.champion) for one in found.differ_most] == [
        ("request-1", "a, b, c"),
        ("request-2", "a, b, c, d, e, …"),
    ]
    assert found.differ_most[0].gap == 1


def test_no_list_logged_is_said_in_words() -> None:
    found = compare_shadow(deployment(), RUN, pairs([None], [None], column="prediction.json"), NOW)
    assert found is not None
    assert found.likeness is None
    assert found.sentence == f"{UNSEEN[0].upper()}{UNSEEN[1:]}."
