"""Bandits that choose by context, in control: columns from contexts, lines from rewards, files that change."""

import base64
import json
import zlib
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.bandits import Logged, fixed, off_policy
from seatrial.control.bandits import learn
from seatrial.control.contextual import MOST_NUMBERS, columns_of, learn_lines
from seatrial.control.decisions import passed_over, verify
from seatrial.control.evaluation import adaptive
from seatrial.control.learning import reweigh
from seatrial.control.perform import Who
from seatrial.control.recorded_lines import is_small
from seatrial.experiments.rewards import Rewards
from seatrial.releases.records import BanditRun
from seatrial.routing.by_context import ContextChoice
from seatrial.routing.contexts import Encoder
from seatrial.routing.router import Router
from seatrial.routing.snapshot import Arm, ByContext, Column, Entry
from seatrial.spec.deployment import BanditSpec, Deployment, EntrySpec, RewardSpec
from tests.harbour import RELEASE, Harbour, World, gateway_worker

CLICK = RewardSpec(outcome="click", within=60)
CONTEXT = {"age": "optional number", "country": "string"}
RUN = BanditRun(
    epoch=3,
    started_at=0,
    since=0,
    versions={"a": "m:1", "b": "m:2"},
    weights={"a": 0.5, "b": 0.5},
    context=CONTEXT,
)
FILE = (
    RELEASE[: RELEASE.index("routing:")]
    + """\
context: {age: optional number, country: string}
routing:
  - name: everybody
    bandit:
      arms: [champion, challenger]
      policy: squarecb
      context: [age, country]
      reward: {outcome: purchase, within: 1m}
      every: 1h
      floor: 5%
outcomes: {purchase: {}}
"""
)


def bandit(policy: str = "squarecb", **more: Any) -> BanditSpec:
    return BanditSpec(arms=("a", "b"), reward=CLICK, policy=policy, context=tuple(CONTEXT), floor=0.05, **more)


def liked(n: int = 2000, seed: int = 1, names: tuple[str, str] = ("a", "b")) -> Rewards:
    """Who is older than 40 clicks seven in ten times on b, else on a; and three in ten times on the other one."""
    rng = np.random.default_rng(seed)
    ages = rng.normal(40, 10, n)
    second = rng.random(n) < 0.5
    good = second == (ages > 40)
    clicked = rng.random(n) < np.where(good, 0.7, 0.3)
    missing = rng.random(n) < 0.1
    return Rewards(
        units=tuple(f"u{i}" for i in range(n)),
        arms=tuple(names[int(one)] for one in second),
        epochs=np.ones(n, dtype=np.int64),
        values=clicked.astype(np.float64),
        propensities=np.full(n, 0.5),
        revisions=(1,) * n,
        any_came=True,
        contexts=tuple(
            (None if gone else age, "DE") for age, gone in zip(ages.tolist(), missing.tolist(), strict=True)
        ),
        chances=(None,) * n,
    )


@pytest.mark.parametrize("policy", ["squarecb", "linear-thompson"])
def test_it_learns_who_likes_what(policy: str) -> None:
    learned = learn(bandit(policy), RUN, liked(), keep="a")
    assert learned.by_context is not None
    entry = Entry(name="all", arms=(Arm("a", 0.5), Arm("b", 0.5)), by_context=learned.by_context, reason="bandit")
    chances = {age: chances_at(entry, (age, "DE")) for age in (20.0, 60.0)}
    assert chances[20.0][0] > 0.85
    assert chances[60.0][1] > 0.85
    assert sum(learned.weights.values()) == pytest.approx(1)
    assert learned.weights["a"] == pytest.approx(0.5, abs=0.1)  # of whom half are older
    assert "each unit's are by its context" in learned.sentence
    # Nothing but the matured rewards decides: a restart, another replica, a repeat.
    assert learn(bandit(policy), RUN, liked(), keep="a") == learned


def chances_at(entry: Entry, context: tuple[Any, ...]) -> tuple[float, ...]:
    return tuple(ContextChoice(entry, tuple(CONTEXT)).chances(context))


def test_weights_stay_even_before_there_is_enough_to_scale_by() -> None:
    for seen, spec in ((liked(99), bandit()), (liked(400), bandit(minimum_units=300))):
        learned = learn(spec, RUN, seen, keep="a")
        assert (learned.by_context, learned.weights) == (None, {"a": 0.5, "b": 0.5})
        assert "It chooses by context from 100 rewards on" in learned.sentence
    nothing = Rewards(**{**liked(400).__dict__, "any_came": False})
    assert learn(bandit(), RUN, nothing, keep="a").by_context is None


def test_columns_stay_what_they_were_when_the_run_first_learned() -> None:
    first = learn(bandit(), RUN, liked(200), keep="a").by_context
    assert first is not None
    later = learn(bandit(), msgspec.structs.replace(RUN, by_context=first), liked(3000, seed=9), keep="a").by_context
    assert later is not None
    assert later.columns == first.columns
    assert later.coefficients != first.coefficients
    fresh = learn(bandit(), RUN, liked(3000, seed=9), keep="a").by_context
    assert fresh is not None
    assert fresh.columns != first.columns


def test_a_removed_arm_is_not_learned_of() -> None:
    run = msgspec.structs.replace(RUN, removed=("b",))
    learned = learn(bandit(remove_failing=0.05), run, liked(), keep="a")
    assert learned.by_context is not None
    assert learned.by_context.arms == ("a",)
    assert learned.weights == {"a": 1.0, "b": 0.0}


def test_lines_are_those_of_a_regression_on_what_is_not_the_mean() -> None:
    """By numpy: ridge on deviations from the mean of all, which then is the line's own."""
    seen = liked(500)
    found = learn_lines(bandit(), RUN, seen, ("a", "b")).lines
    assert found is not None
    encoder = Encoder(found.columns, tuple(CONTEXT))
    contexts = np.array([encoder.encode(one) for one in seen.contexts])
    center = seen.values.mean()
    for arm, line in zip(found.arms, found.coefficients, strict=True):
        its = np.array([one == arm for one in seen.arms])
        x, y = contexts[its], seen.values[its] - center
        exact = np.linalg.solve(x.T @ x + np.eye(x.shape[1]), x.T @ y)
        exact[0] += center
        assert line == pytest.approx(tuple(exact), rel=1e-9, abs=1e-12)
    assert found.gamma == pytest.approx(10 * np.sqrt(500))


kinds = st.sampled_from(["string", "number", "integer", "boolean", "optional string", "optional number"])


@given(st.data())
def test_columns_of_anything_fit_any_context(data: st.DataObject) -> None:
    declared = {f"k{n}": kind for n, kind in enumerate(data.draw(st.lists(kinds, min_size=1, max_size=30)))}
    some = {
        "string": st.text(max_size=2),
        "number": st.floats(-1e300, 1e300),
        "integer": st.integers(-(2**53), 2**53),
        "boolean": st.booleans(),
    }
    one = st.tuples(*(st.none() | some[kind.split()[-1]] for kind in declared.values()))
    columns = columns_of(declared, data.draw(st.lists(one, max_size=8)))
    assert [column.key for column in columns] == list(declared)
    encoder = Encoder(columns, tuple(declared))
    assert encoder.width <= MOST_NUMBERS
    numbers = encoder.encode(data.draw(one))
    assert len(numbers) == encoder.width
    assert np.isfinite(numbers).all()


def test_the_most_frequent_categories_have_places_and_one_huge_number_moves_no_scale() -> None:
    contexts: list[tuple[Any, ...]] = [
        (float(n), name) for n, name in enumerate(["DE"] * 50 + ["FR"] * 30 + ["IT"] * 20)
    ]
    number, category = columns_of({"n": "number", "c": "string"}, contexts)
    assert category == Column(key="c", kind="category", categories=("DE", "FR", "IT"))
    assert (number.center, number.scale) == (pytest.approx(49.5), pytest.approx(49.5 / 1.349))
    moved = columns_of({"n": "number", "c": "string"}, [*contexts, (1e12, "DE")])[0]
    assert moved.scale < 1.1 * number.scale
    many = columns_of({"c": "string"}, [(f"c{n:03d}",) for n in range(500)])[0]
    assert many.categories == tuple(f"c{n:03d}" for n in range(10))


class Learning(World):
    """A world in which the old like the challenger."""

    def rewards(self, _spec: Deployment, _entry: EntrySpec, _run: BanditRun, _now: int) -> Rewards:
        return liked(names=("champion", "challenger"))


def test_what_is_learned_is_published_and_a_changed_context_begins_anew(harbour: Harbour) -> None:
    with gateway_worker(harbour.home):
        harbour.apply(FILE)
        now = harbour.clock.forward(seconds=3600)
        reweigh(harbour.site, Learning(), "churn", "everybody", now, Who("s", "w"))
        state = harbour.state.deployments.get("churn")
        run = state.bandits["everybody"]
        made = harbour.publication.read("churn", state.revision)
        assert run.by_context is not None
        assert made.entries[0].by_context == run.by_context
        router = Router(made)
        decisions = {age: router.decide("u1", (age, "DE")) for age in (20.0, 60.0)}
        assert decisions[20.0].chances[0] > 0.8
        assert decisions[60.0].chances[1] > 0.8
        harbour.apply(FILE)
        assert harbour.state.deployments.get("churn").bandits["everybody"] == run
        harbour.apply(FILE.replace("context: [age, country]", "context: [country]"))
        fresh = harbour.state.deployments.get("churn").bandits["everybody"]
    assert (fresh.epoch, fresh.by_context, fresh.context) == (run.epoch + 1, None, {"country": "string"})
    assert (fresh.together, fresh.since) == (run.together, run.since)  # the arms are what they were


@pytest.mark.parametrize("policy", ["squarecb", "linear-thompson"])
def test_the_past_by_context_is_decided_again_and_what_was_tampered_with_is_found(
    harbour: Harbour, policy: str
) -> None:
    with gateway_worker(harbour.home):
        harbour.apply(FILE.replace("squarecb", policy))
        for _ in range(2):  # before there is anything to learn from, and after
            world = Learning() if harbour.state.audit.of("churn", action="reweigh") else Early()
            now = harbour.clock.forward(seconds=3600)
            reweigh(harbour.site, world, "churn", "everybody", now, Who("s", "w"))
    even, entry = harbour.state.audit.of("churn", action="reweigh")
    assert json.loads(even.observed)["lines"] is None
    assert json.loads(entry.decision)["champion"] != 0.5
    assert passed_over(harbour.state, "churn") == 0
    assert verify(harbour.state) == [], "what was seen leads to the same chances again"

    seen = json.loads(entry.observed)
    lines = seen["lines"]
    numbers = np.frombuffer(zlib.decompress(base64.b64decode(lines["sums"])), dtype="<f8").copy()
    numbers[2] += 1.0  # one more reward of the first arm
    moved = base64.b64encode(zlib.compress(numbers.tobytes())).decode()
    cut = base64.b64encode(base64.b64decode(lines["latest"])[:-20]).decode()
    weights = json.loads(entry.decision)
    leaning = json.dumps({"champion": weights["champion"] + 1e-6, "challenger": weights["challenger"] - 1e-6})
    wrong = [
        ({**seen, "lines": {**lines, "sums": moved}}, entry.decision, "0."),
        ({**seen, "lines": {**lines, "ridge": 5.0}}, entry.decision, "0."),
        ({**seen, "lines": {**lines, "latest": cut}}, entry.decision, "cannot be read any more"),
        ({**seen, "lines": {**lines, "arms": ["champion"]}}, entry.decision, "not of these arms"),
        ({**seen, "lines": None}, entry.decision, "not of these arms"),
        (seen, leaning, "0."),
    ]
    for observed, decision, _ in wrong:
        harbour.state.audit.add(msgspec.structs.replace(entry, observed=json.dumps(observed), decision=decision))
    found = verify(harbour.state)
    assert len(found) == len(wrong)
    for mismatch, (_, decision, said) in zip(found, wrong, strict=True):
        assert mismatch.recorded == decision
        assert said in mismatch.today
    del seen["lines"]
    harbour.state.audit.add(msgspec.structs.replace(entry, observed=json.dumps(seen)))
    assert passed_over(harbour.state, "churn") == 1, "without sums it cannot be decided, and is counted"


class Early(World):
    """Nothing has matured yet."""

    def rewards(self, _spec: Deployment, _entry: EntrySpec, _run: BanditRun, _now: int) -> Rewards:
        return liked(20, names=("champion", "challenger"))


def test_sums_too_large_for_the_audit_are_not_recorded() -> None:
    learned = learn_lines(bandit(), RUN, liked(), ("a", "b"))
    assert learned.seen is not None
    assert is_small(learned.seen)
    assert not is_small(msgspec.structs.replace(learned.seen, sums=bytes(300_000)))


def test_rows_are_judged_by_the_chances_that_they_carry() -> None:
    """Off-policy, on what a bandit by context has drawn: the truth of always b is 0.5, of what was done more."""
    learned = learn_lines(bandit(), RUN, liked(), ("a", "b")).lines
    assert learned is not None
    seen = drawn_by(learned, 4000, np.random.default_rng(5))
    data = adaptive(seen, RUN, lambda _: {"b": 0.4, "a": 0.6})  # an entry in another order than the run's
    assert data.chances[:, 1].tolist() == [one[0] for one in seen.chances if one is not None]
    given_ = data.chances[np.arange(4000), data.arms]
    assert given_.tolist() == pytest.approx(seen.propensities.tolist())
    logged = Logged(data.units, data.arms, data.rewards, given_, chances=data.chances)
    found = off_policy(logged, fixed(logged, 1, 2))
    assert logged.rewards.mean() > 0.6
    assert abs(found.estimate("doubly-robust").value - 0.5) < 4 * found.estimate("doubly-robust").se


def drawn_by(by: ByContext, n: int, rng: np.random.Generator) -> Rewards:
    """What ``by`` would do in an entry whose arms are b, a."""
    entry = Entry(name="all", arms=(Arm("b", 0.4), Arm("a", 0.6)), by_context=by, reason="bandit", salt="s")
    choice = ContextChoice(entry, tuple(CONTEXT))
    ages = rng.normal(40, 10, n).tolist()
    decisions = [choice.decide(f"u{i}", (age, "DE")) for i, age in enumerate(ages)]
    good = np.array([(d.variant == "b") == (age > 40) for d, age in zip(decisions, ages, strict=True)])
    return Rewards(
        units=tuple(f"u{i}" for i in range(n)),
        arms=tuple(d.variant for d in decisions),
        epochs=np.full(n, 4),
        values=(rng.random(n) < np.where(good, 0.7, 0.3)).astype(np.float64),
        propensities=np.array([d.propensity for d in decisions]),
        revisions=(1,) * n,
        any_came=True,
        contexts=tuple((age, "DE") for age in ages),
        chances=tuple(d.chances for d in decisions),
    )
