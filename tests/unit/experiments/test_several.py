"""Several challengers of one split: each as in a release of its own, their words as one family."""

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from seatrial.analysis.release_page import experiment_page
from seatrial.experiments.several import Contest, Several, arrivals_of, judge_several, segment_several
from seatrial.experiments.source import TableSource
from seatrial.routing.assign import assign_many
from seatrial.routing.snapshot import Arm, Entry
from seatrial.spec.deployment import Deployment, Method
from seatrial.spec.errors import BadInput
from tests import worlds

ARMS = (Arm("champion", 0.4), Arm("a", 0.2), Arm("b", 0.2), Arm("c", 0.2))
CONTEST = Contest("everybody", ARMS, "salt", 3, {arm.variant: f"digits:{i}" for i, arm in enumerate(ARMS, start=1)})
SECOND = worlds.SECOND
END = worlds.START + 1000 * SECOND
UNITS = 3000


def judged(effects: dict[str, float], seed: int = 1, family: str = "holm", guard: bool = False) -> Several:
    file, source = world(effects, seed, family, guard)
    return judge_several(file, CONTEST, source, END)


def world(
    effects: dict[str, float], seed: int = 1, family: str = "holm", guard: bool = False, seen: str = "mean"
) -> tuple[Deployment, TableSource]:
    """Units drawn in revision 4, those of revision 2 drawn otherwise, and some of another entry; from two countries."""
    rng = np.random.default_rng(seed)
    names = worlds.unit_names(UNITS, f"w{seed}")
    variant = assign_many(Entry(name="everybody", arms=ARMS, salt="salt"), names)
    at = worlds.START + np.arange(UNITS) // 10 * SECOND
    given = {"release": [""] * UNITS, "phase": np.zeros(UNITS, dtype=np.int64), "variant": variant}
    run = worlds.release((0.5, 0))
    given["context.country"] = np.where(np.arange(UNITS) % 2, "fi", "se").astype(object)
    rows = worlds.rows(run, names, at, revision=np.full(UNITS, 4), **given)
    before = worlds.rows(run, worlds.unit_names(UNITS, "old"), at, revision=np.full(UNITS, 2), **given)
    elsewhere = worlds.rows(run, worlds.unit_names(UNITS, "else"), at, revision=np.full(UNITS, 4), **given)
    elsewhere |= {"entry": ["other"] * UNITS}
    value = rng.normal(10, 1, UNITS) + np.array([effects.get(v, 0.0) for v in variant])
    other = rng.normal(10, 1, UNITS)
    kept = np.flatnonzero(other > 10.5) if seen == "proportion" else np.arange(UNITS)
    came = [
        worlds.outcomes("spent", at + SECOND, unit=names, value_number=value),
        worlds.outcomes("seen", (at + SECOND)[kept], unit=[names[i] for i in kept], value_number=other[kept]),
    ]
    file = worlds.deployment(
        context={"country": {"kind": "string", "optional": True}},
        variants={arm.variant: {"model": "models:/digits/1"} for arm in ARMS},
        routing=[{"name": "everybody", "split": {arm.variant: arm.weight for arm in ARMS}}],
        outcomes={"spent": {}, "seen": {}},
        metrics={
            "spent": {"kind": "mean", "outcome": "spent", "within": 30.0, "grace": 10.0},
            "seen": {"kind": seen, "outcome": "seen", "within": 30.0, "grace": 10.0},
        },
        experiment={
            "entry": "everybody",
            "primary": {"metric": "spent", "minimum_effect": {"absolute": 0.01}},
            "guardrails": {"errors": {"absolute": 0.05}} if guard else {},
            "family": family,
        },
    )
    return file, worlds.source([before, rows, elsewhere], came)


def test_each_challenger_is_compared_with_the_champion_on_the_units_of_its_split() -> None:
    found = judged({"a": 0.5, "c": -0.5}, guard=True)
    assert [one.challenger for one in found.judgements] == ["a", "b", "c"]
    assert [one.recommendation for one in found.judgements] == ["ship", "wait", "stop"]
    assert all(check.ok for one in found.judgements for check in one.checks), "four weights, and the old ones left out"
    exposed = found.judgements[0].exposed
    assert exposed["champion"] == pytest.approx(0.4 * UNITS, rel=0.1)
    assert exposed["a"] == pytest.approx(0.2 * UNITS, rel=0.1)
    assert "a: ship" in found.sentence
    assert found.judgements[0].challenger_version == "digits:2"


def test_their_primaries_are_one_family_and_so_are_the_other_metrics() -> None:
    found = judged({"a": 0.1})
    for name in ("spent", "seen"):
        metrics = [one.metric(name) for one in found.judgements]
        p_values = [m.verdict.p_value for m in metrics]
        if name == "seen":
            others = [m for one in found.judgements for m in one.metrics if m.part == "secondary" and m.adjusted_p]
            expected = multipletests([m.verdict.p_value for m in others], method="holm")[1]
            assert [m.adjusted_p for m in others] == pytest.approx(expected)
        else:
            expected = multipletests(p_values, method="holm")[1]
            assert [m.adjusted_p for m in metrics] == pytest.approx(expected, rel=0.1), "at levels of their own"
    levels = sorted(one.metric("spent").verdict.alpha for one in found.judgements)
    assert levels[0] == pytest.approx(0.05 / 3)


@pytest.mark.parametrize("family", ["holm", "e-bh"])
def test_by_either_family_a_clear_effect_ships(family: str) -> None:
    found = judged({"b": 0.5}, family=family)
    assert [one.recommendation for one in found.judgements] == ["wait", "ship", "wait"]
    assert found.family == family


def test_before_anybody_came_it_waits() -> None:
    file = worlds.deployment(
        variants={arm.variant: {"model": "models:/digits/1"} for arm in ARMS},
        outcomes={"spent": {}},
        metrics={"spent": {"kind": "mean", "outcome": "spent", "within": 30.0, "grace": 10.0}},
        experiment={"entry": "everybody", "primary": {"metric": "spent", "minimum_effect": {"absolute": 0.01}}},
    )
    rows = worlds.rows(worlds.release((0.5, 0)), ["u"], [worlds.START], release=["r"])
    found = judge_several(file, CONTEST, worlds.source([rows]), END)
    assert [one.recommendation for one in found.judgements] == ["wait"] * 3


def test_segments_are_told_of_every_challenger() -> None:
    file, source = world({"a": 0.5, "c": -0.5})
    found = segment_several(file, CONTEST, source, END, ["context.country"])
    assert [one.challenger for one in found] == ["a", "b", "c"]
    for one, effect in zip(found, (0.5, 0.0, -0.5), strict=True):
        (spent,) = one.segments
        assert sorted(each.name for each in spent.segments) == ["fi", "se"]
        assert spent.common == pytest.approx(effect, abs=0.15)
    with pytest.raises(BadInput, match="is not a context key"):
        segment_several(file, CONTEST, source, END, ["context.countri"])


def test_units_are_told_as_they_came_and_the_page_holds_all_of_it() -> None:
    file, source = world({"a": 0.5, "c": -0.5}, guard=True)
    came = arrivals_of(file, CONTEST, source, END)
    assert sum(one.units for one in came) == UNITS
    assert {one.variant for one in came} == {"champion", "a", "b", "c"}
    segments = {
        one.challenger: one.segments for one in segment_several(file, CONTEST, source, END, ["context.country"])
    }
    page = experiment_page(judge_several(file, CONTEST, source, END), came, segments)
    for said in (
        "a against champion",
        "c against champion",
        "spent by context.country, b",
        "one family (Holm)",
        "Units",
    ):
        assert said in page
    assert page.count("Can it be trusted?") == 1


def test_a_share_of_units_is_tested_over_all_variants_at_once_and_nothing_acts_on_it() -> None:
    file, source = world({}, seen="proportion")
    found = judge_several(file, CONTEST, source, END)
    one = next(one for one in found.all_variants if one.metric == "seen")
    assert sum(one.units.values()) == UNITS
    table = [[one.events[name], one.units[name] - one.events[name]] for name in ("a", "b", "c", "champion")]
    theirs = stats.chi2_contingency(table, correction=False)
    assert (one.test.statistic, one.test.degrees) == (pytest.approx(theirs.statistic), 3)
    assert one.test.p_value == pytest.approx(theirs.pvalue)
    assert "seen over all 4 variants: a " in experiment_page(found)
    assert "seen over all 4 variants: a " in one.sentence
    assert all(one.metric != "seen" for one in judged({}).all_variants), "means have none"


def test_the_family_s_level_is_for_the_primaries_alone() -> None:
    found = judged({"a": 0.5}, guard=True)
    levels = {one.challenger: {m.name: (m.part, m.verdict.alpha) for m in one.metrics} for one in found.judgements}
    assert {of["spent"] for of in levels.values()} == {("primary", 0.05 / 3), ("primary", 0.05 / 2)}
    assert {of["errors"] for of in levels.values()} == {("guardrail", 0.05)}
    assert {of["seen"] for of in levels.values()} == {("secondary", 0.05)}


def test_an_experiment_with_an_end_is_welch_s_test_on_the_units_until_then_and_nothing_before() -> None:
    file, source = world({"a": 0.5})
    assert file.experiment is not None
    fixed = Method(name="fixed", after=150.0)
    file = file.model_copy(update={"experiment": file.experiment.model_copy(update={"method": fixed})})
    before = judge_several(file, CONTEST, source, worlds.START + 180 * SECOND)
    assert {one.metric("spent").verdict.word for one in before.judgements} == {"no-data"}
    assert "it is judged once, at its planned end" in before.judgements[0].metric("spent").verdict.sentence
    first, later = (judge_several(file, CONTEST, source, worlds.START + s * SECOND) for s in (190, 400))
    verdicts = [one.metric("spent").verdict for one in first.judgements]
    assert [one.word for one in verdicts] == ["better", "inconclusive", "inconclusive"]
    assert [one.metric("spent").verdict for one in later.judgements] == verdicts
    assert all("for one look" in one.method for one in verdicts)
    assert verdicts[0].n_treatment + verdicts[0].n_control == pytest.approx(0.6 * 1510, rel=0.1)
    levels = [one.alpha for one in verdicts]
    assert levels[0] == pytest.approx(0.05 / 3)
