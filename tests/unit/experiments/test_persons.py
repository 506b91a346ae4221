"""People under several names: joined when they are judged, in the arm of their first exposure."""

from typing import Any

import numpy as np

from seatrial.experiments.judge import judge
from seatrial.experiments.judgement import Check, Judgement
from seatrial.experiments.question import read
from seatrial.experiments.segments import segment
from seatrial.experiments.source import TableSource
from seatrial.routing.assign import assign_many
from seatrial.routing.snapshot import Entry
from tests import worlds

SECOND = worlds.SECOND
END = worlds.START + 1000 * SECOND
RUN = worlds.release((0.5, 0))
DEPLOYMENT = worlds.deployment(
    context={"country": {"kind": "string"}},
    outcomes={"buy": {}},
    metrics={"revenue": {"kind": "mean", "outcome": "buy", "within": 100.0, "grace": 1.0}},
    release={
        "of": "challenger",
        "into": "everybody",
        "stages": [{"kind": "test"}],
        "primary": {"metric": "revenue", "minimum_effect": {"absolute": 0.1}},
    },
)


def alias(names: list[str], units: list[str | None], at: int = END - SECOND) -> dict[str, Any]:
    """Aliases as the ledger keeps them."""
    withdrawn = np.array([unit is None for unit in units])
    when = np.full(len(names), at)
    return worlds.outcomes("$alias", when, id=names, key=names, unit=units, withdrawn=withdrawn)


def bought(units: list[str], at: np.ndarray, amounts: np.ndarray) -> dict[str, Any]:
    return worlds.outcomes("buy", at, unit=units, value_number=amounts, withdrawn=np.zeros(len(units), bool))


def check(found: Judgement, name: str) -> Check | None:
    return next((one for one in found.checks if one.name == name), None)


def visitors(n: int = 1000) -> tuple[TableSource, list[str], list[str], np.ndarray]:
    """People who come as visitors, sign in half a minute later, come again by name and buy by name."""
    before, after = worlds.unit_names(n, "visitor"), worlds.unit_names(n, "customer")
    at = worlds.START + np.arange(n) * SECOND // 4
    first, second = worlds.rows(RUN, before, at), worlds.rows(RUN, after, at + 30 * SECOND)
    second["request_id"] = [f"again-{i}" for i in range(n)]
    amounts = np.random.default_rng(1).exponential(2, n)
    source = worlds.source([first, second], [alias(before, list(after)), bought(after, at + 40 * SECOND, amounts)])
    return source, before, after, amounts


def test_a_person_is_one_unit_in_the_arm_of_the_first_exposure_with_what_came_by_either_name() -> None:
    source, before, _, amounts = visitors()
    metric = judge(DEPLOYMENT, RUN, source, END).metric("revenue")
    drawn = worlds.assigned(RUN, before, np.ones(len(before)))
    new = drawn == "challenger"
    assert metric.counts.challenger == new.sum()
    assert metric.counts.champion == (~new).sum()
    assert metric.verdict.treatment_mean is not None
    np.testing.assert_allclose(metric.verdict.treatment_mean, amounts[new].mean(), rtol=1e-12)


def test_whoever_was_in_both_arms_is_counted_and_shown_and_is_no_shared_id() -> None:
    source, before, after, _ = visitors()
    found = judge(DEPLOYMENT, RUN, source, END)
    crossed = worlds.assigned(RUN, before, np.ones(1000)) != worlds.assigned(RUN, after, np.ones(1000))
    crossers = check(found, "crossers")
    assert crossers is not None
    assert crossers.ok
    assert crossers.value == crossed.sum()
    assert "of 1 000 senders" in crossers.sentence
    both = check(found, "both-arms")
    assert both is not None
    assert both.ok
    ratio = check(found, "sample-ratio")
    assert ratio is not None
    assert ratio.ok
    assert found.exposed == {
        "champion": int((worlds.assigned(RUN, before, np.ones(1000)) == "champion").sum()),
        "challenger": int((worlds.assigned(RUN, before, np.ones(1000)) == "challenger").sum()),
    }


def test_without_aliases_nobody_is_said_to_cross() -> None:
    names = worlds.unit_names(10)
    at = worlds.START + np.arange(10) * SECOND
    source = worlds.source([worlds.rows(RUN, names, at)], [bought(names, at, np.ones(10))])
    assert check(judge(DEPLOYMENT, RUN, source, END), "crossers") is None


def test_a_name_that_met_both_variants_of_a_phase_still_withholds_when_others_have_aliases() -> None:
    names = [*worlds.unit_names(10), "twice", "twice"]
    at = worlds.START + np.arange(12) * SECOND
    variant = worlds.assigned(RUN, names, np.ones(12))
    variant[-2:] = ["champion", "challenger"]
    source = worlds.source([worlds.rows(RUN, names, at, variant=variant)], [alias(["sender-1"], ["known"])])
    both = check(judge(DEPLOYMENT, RUN, source, END), "both-arms")
    assert both is not None
    assert both.value == 1


def test_the_last_alias_counts_and_a_withdrawn_one_stands_for_itself() -> None:
    names = ["cookie", "ann", "bob", "lone"]
    at = worlds.START + np.arange(4) * SECOND
    rows = worlds.rows(RUN, names, at)
    said = [
        alias(["cookie"], ["ann"], worlds.START + 10 * SECOND),
        alias(["cookie"], ["bob"], worlds.START + 20 * SECOND),
        alias(["lone"], ["ann"], worlds.START + 30 * SECOND),
        alias(["lone"], [None], worlds.START + 40 * SECOND),
    ]
    units, _ = read(worlds.source([rows], said), RUN, [], END)
    assert units.unit.to_pylist() == ["bob", "ann", "lone"]


def test_later_weights_move_a_person_by_the_name_that_was_drawn() -> None:
    """Who is censored follows from the name of the first exposure, whatever the person is called now."""
    run = worlds.release((0.5, 0), (0.2, 50))
    before, after = worlds.unit_names(400, "visitor"), worlds.unit_names(400, "customer")
    at = worlds.START + np.arange(400) * SECOND // 10
    metric = judge(DEPLOYMENT, run, worlds.source([worlds.rows(run, before, at)], [alias(before, list(after))]), END)
    later = Entry(name=run.entry, arms=run.phases[1].arms, salt=run.salt)
    moved = worlds.assigned(run, before, np.ones(400)) != assign_many(later, before)
    assert metric.metric("revenue").counts.censored == moved.sum()


def test_a_segment_is_that_of_the_first_name() -> None:
    before, after = worlds.unit_names(300, "visitor"), worlds.unit_names(300, "customer")
    at = worlds.START + np.arange(300) * SECOND // 4
    first = worlds.rows(RUN, before, at, **{"context.country": ["FR"] * 300})
    second = worlds.rows(RUN, after, at + SECOND, **{"context.country": ["DE"] * 300})
    second["request_id"] = [f"again-{i}" for i in range(300)]
    (found,) = segment(
        DEPLOYMENT, RUN, worlds.source([first, second], [alias(before, list(after))]), END, "context.country"
    )
    assert [one.name for one in found.segments] == ["FR"]
