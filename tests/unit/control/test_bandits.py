"""Bandits in control: weights from rewards, arms that go, files that change, and the loop at an epoch's end."""

import json
from pathlib import Path

import msgspec
import numpy as np
import pytest

from seatrial.bandits import Tally, Thompson, weigh
from seatrial.control.bandits import learn, with_bandits
from seatrial.control.decisions import passed_over, replayed, verify
from seatrial.control.evaluation import adaptive
from seatrial.control.learning import reweigh
from seatrial.control.loop import Loop
from seatrial.control.perform import Who
from seatrial.experiments.rewards import Rewards
from seatrial.releases.leadership import Leadership
from seatrial.releases.records import BanditRun
from seatrial.routing.router import Router
from seatrial.spec.deployment import BanditSpec, Deployment, EntrySpec, RewardSpec
from seatrial.spec.errors import Conflict
from seatrial.spec.read import load_deployment
from tests.harbour import RELEASE, SECOND, Harbour, World, gateway_worker

SPEC = BanditSpec(arms=("a", "b"), reward=RewardSpec(outcome="click", within=60), floor=0.05)
RUN = BanditRun(epoch=3, started_at=0, since=0, versions={"a": "m:1", "b": "m:2"}, weights={"a": 0.5, "b": 0.5})
FILE = (
    RELEASE[: RELEASE.index("routing:")]
    + """\
routing:
  - name: everybody
    bandit: {arms: [champion, challenger], reward: {outcome: purchase, within: 1m}, every: 1h, floor: 5%}
outcomes: {purchase: {}}
"""
)


def earned(a: tuple[int, int], b: tuple[int, int], **more: object) -> Rewards:
    """So many of so many units of either arm clicked."""
    arms = ("a",) * a[1] + ("b",) * b[1]
    values = [1.0] * a[0] + [0.0] * (a[1] - a[0]) + [1.0] * b[0] + [0.0] * (b[1] - b[0])
    n = len(arms)
    return Rewards(
        units=tuple(f"u{i}" for i in range(n)),
        arms=arms,
        epochs=np.ones(n, dtype=np.int64),
        values=np.array(values),
        propensities=np.full(n, 0.5),
        any_came=a[0] + b[0] > 0,
        **more,  # type: ignore[arg-type]
    )


class Learning(World):
    """A world in which the challenger earns twice as much."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[str, int]] = []

    def rewards(self, _spec: Deployment, entry: EntrySpec, run: BanditRun, _now: int) -> Rewards:
        self.asked.append((entry.name, run.epoch))
        seen = earned((20, 100), (40, 100))
        return Rewards(
            units=seen.units,
            arms=tuple({"a": "champion", "b": "challenger"}[arm] for arm in seen.arms),
            epochs=seen.epochs,
            values=seen.values,
            propensities=seen.propensities,
            any_came=True,
        )


def test_weights_are_the_policys_with_the_floor() -> None:
    learned = learn(SPEC, RUN, earned((20, 100), (30, 100)), keep="a")
    tallies = [Tally.of([1.0] * 20 + [0.0] * 80), Tally.of([1.0] * 30 + [0.0] * 70)]
    expected = 0.05 + 0.9 * weigh(Thompson(), tallies)
    assert list(learned.weights.values()) == pytest.approx(expected.tolist())
    assert "After 200 matured rewards" in learned.sentence


def test_without_any_reward_there_is_nothing_to_learn_from() -> None:
    learned = learn(SPEC, RUN, earned((0, 10), (0, 1000)), keep="a")
    assert learned.weights == {"a": 0.5, "b": 0.5}
    assert "No `click` has come yet" in learned.sentence


def test_an_arm_that_surely_fails_too_often_is_out_but_never_the_last_nor_the_default() -> None:
    spec = SPEC.model_copy(update={"remove_failing": 0.05})
    bad = {"met": {"a": 1000, "b": 1000}, "unit_failures": {"a": 900.0, "b": 100.0}}
    learned = learn(spec, RUN, earned((1, 100), (90, 100), **bad), keep="a")
    assert (learned.removed, learned.weights) == (("b",), {"a": 1.0, "b": 0.0})
    assert "`b` is out, because too many of its requests fail." in learned.sentence
    perhaps = {"met": {"a": 1000, "b": 100}, "unit_failures": {"a": 0.0, "b": 8.0}}
    assert learn(spec, RUN, earned((1, 100), (90, 100), **perhaps), keep="a").removed == ()
    assert learn(SPEC, RUN, earned((1, 100), (90, 100), **bad), keep="a").removed == ()


def test_one_client_that_fails_all_the_time_takes_no_arm_out() -> None:
    spec = SPEC.model_copy(update={"remove_failing": 0.05})
    one = {"rows": {"a": 200, "b": 200}, "failed": {"a": 0, "b": 150}, "met": {"b": 50}, "unit_failures": {"b": 1.0}}
    assert learn(spec, RUN, earned((1, 100), (90, 100), **one), keep="a").removed == ()


def test_a_healthy_arm_looked_at_every_epoch_stays_and_a_bad_one_goes() -> None:
    """3 % of units fail all of their 20 rows, under a limit of 5 %: 48 looks, 300 worlds; and 15 % of them."""
    spec = SPEC.model_copy(update={"remove_failing": 0.05})
    rng = np.random.default_rng(0)
    gone = {0.03: 0, 0.15: 0}
    for share in gone:
        for _ in range(300):
            failing = np.cumsum(rng.binomial(15, share, 48))
            for epoch, count in enumerate(failing.tolist(), 1):
                seen = {"met": {"b": 15 * epoch}, "unit_failures": {"b": float(count)}}
                if learn(spec, RUN, earned((0, 1), (0, 1), **seen), keep="a").removed:
                    gone[share] += 1
                    break
    assert gone[0.03] <= 2  # at most 0.001 each: 3 or more of 300 have a chance of 0.003
    assert gone[0.15] >= 290


def test_what_is_odd_about_rewards_is_said() -> None:
    learned = learn(SPEC, RUN, earned((1, 10), (1, 10), out_of_range=3, early=2), keep="a")
    assert "3 rewards lay outside 0 to 1 and were cut to it." in learned.sentence
    assert "2 outcomes came before the row they would belong to" in learned.sentence


@pytest.fixture
def harbour(tmp_path: Path) -> Harbour:
    return Harbour(tmp_path)


def test_a_bandit_begins_even_and_its_rows_say_so(harbour: Harbour) -> None:
    with gateway_worker(harbour.home):
        harbour.apply(FILE)
    snapshot = harbour.publication.read("churn", harbour.state.deployments.get("churn").revision)
    decision = Router(snapshot).decide("somebody")
    assert (decision.reason, decision.propensity, decision.contested, decision.phase) == ("bandit", 0.5, True, 1)
    harbour.close()


def test_the_loop_reweighs_when_the_epoch_is_over_and_units_are_drawn_anew(harbour: Harbour) -> None:
    world = Learning()
    with gateway_worker(harbour.home):
        harbour.apply(FILE)
        before = harbour.publication.read("churn", harbour.state.deployments.get("churn").revision)
        with Leadership(harbour.home, harbour.url) as leadership:
            loop = Loop(harbour.site, world, leadership)
            loop.step(harbour.clock.forward(seconds=3599))
            assert world.asked == []
            loop.step(harbour.clock.forward(seconds=1))
            loop.step(harbour.clock.forward(seconds=1))
        state = harbour.state.deployments.get("churn")
        after = harbour.publication.read("churn", state.revision)
    assert world.asked == [("everybody", 1)]
    run = state.bandits["everybody"]
    assert run.epoch == 2
    assert run.weights["challenger"] > 0.9
    router, old = Router(after), Router(before)
    units = [f"u{i}" for i in range(4000)]
    given = [router.decide(unit) for unit in units]
    share = np.mean([decision.variant == "challenger" for decision in given])
    assert share == pytest.approx(run.weights["challenger"], abs=0.02)
    assert {d.propensity for d in given if d.variant == "challenger"} == {run.weights["challenger"]}
    # Drawn anew: of those who had the challenger, no more have it now than of the others.
    had = [old.decide(unit).variant == "challenger" for unit in units]
    kept = np.mean([d.variant == "challenger" for d, was in zip(given, had, strict=True) if was])
    assert kept == pytest.approx(share, abs=0.03)
    entry = harbour.state.audit.last("churn", "reweigh", "")
    assert entry is not None
    assert json.loads(entry.observed)["arms"]["challenger"]["rewards"] == 100
    assert json.loads(entry.decision) == run.weights
    assert [one.action for one in replayed(harbour.state)] == ["reweigh"]
    assert verify(harbour.state) == [], "what was seen leads to the same weights again"
    harbour.close()


def test_weights_that_do_not_follow_from_what_was_seen_are_found(harbour: Harbour) -> None:
    world, who = Learning(), Who("seatrial", "the epoch is over")
    with gateway_worker(harbour.home):
        harbour.apply(FILE)
        reweigh(harbour.site, world, "churn", "everybody", harbour.clock.forward(seconds=3600), who)
    entry = harbour.state.audit.last("churn", "reweigh", "")
    assert entry is not None
    other = msgspec.structs.replace(entry, decision='{"champion":0.5,"challenger":0.5}')
    harbour.state.audit.add(other)
    forgotten = msgspec.structs.replace(entry, observed='{"entry":"everybody"}')
    harbour.state.audit.add(forgotten)
    by_context = msgspec.structs.replace(entry, observed='{"bandit":{"context":["age"]}}', decision="{}")
    harbour.state.audit.add(by_context)
    nearly = {arm: weight + 1e-12 for arm, weight in json.loads(entry.decision).items()}
    harbour.state.audit.add(msgspec.structs.replace(entry, decision=json.dumps(nearly)))
    assert passed_over(harbour.state, "churn") == 1, "what chose by context is said to be passed over"
    found = verify(harbour.state)
    assert [one.recorded for one in found] == [other.decision, entry.decision]
    assert found[0].today == entry.decision
    assert "cannot be read any more" in found[1].today
    harbour.close()


def test_a_repeat_in_the_same_epoch_changes_nothing(harbour: Harbour) -> None:
    world, who = Learning(), Who("seatrial", "the epoch is over")
    with gateway_worker(harbour.home):
        harbour.apply(FILE)
        now = harbour.clock.forward(seconds=3600)
        reweigh(harbour.site, world, "churn", "everybody", now, who)
        first = harbour.state.deployments.get("churn")
        with pytest.raises(Conflict, match="is not over"):
            reweigh(harbour.site, world, "churn", "everybody", now + SECOND, who)
        assert harbour.state.deployments.get("churn") == first
    harbour.close()


def test_what_changes_while_rewards_are_read_is_a_conflict_and_nobody_waits_for_them(harbour: Harbour) -> None:
    class Slow(Learning):
        def rewards(self, spec: Deployment, entry: EntrySpec, run: BanditRun, now: int) -> Rewards:
            harbour.apply(FILE.replace("floor: 5%", "floor: 6%"))  # the deployment is not locked meanwhile
            return super().rewards(spec, entry, run, now)

    with gateway_worker(harbour.home):
        harbour.apply(FILE)
        now = harbour.clock.forward(seconds=3600)
        with pytest.raises(Conflict, match="changed while its rewards were read"):
            reweigh(harbour.site, Slow(), "churn", "everybody", now, Who("s", "w"))
        reweigh(harbour.site, Learning(), "churn", "everybody", now, Who("s", "w"))
    assert harbour.state.deployments.get("churn").bandits["everybody"].weights["champion"] >= 0.06
    harbour.close()


def test_an_unchanged_file_keeps_weights_and_a_new_version_begins_anew(harbour: Harbour) -> None:
    with gateway_worker(harbour.home):
        harbour.apply(FILE)
        reweigh(harbour.site, Learning(), "churn", "everybody", harbour.clock.forward(seconds=3600), Who("s", "w"))
        learned = harbour.state.deployments.get("churn").bandits
        harbour.apply(FILE)
        assert harbour.state.deployments.get("churn").bandits == learned
        harbour.apply(FILE.replace("models:/churn/2", "models:/churn/3"))
        fresh = harbour.state.deployments.get("churn").bandits["everybody"]
    assert (fresh.epoch, fresh.weights) == (3, {"champion": 0.5, "challenger": 0.5})
    assert fresh.versions["challenger"] == "churn:3"
    assert (fresh.together, fresh.since) == (3, learned["everybody"].since)  # the champion's rewards go on counting
    harbour.close()


def test_a_file_without_the_bandit_forgets_its_run_but_never_an_epochs_number(harbour: Harbour) -> None:
    """Its units are drawn anew: the number is in the salt and in rows."""
    with gateway_worker(harbour.home):
        harbour.apply(FILE)
        for _ in range(2):
            reweigh(harbour.site, Learning(), "churn", "everybody", harbour.clock.forward(seconds=3600), Who("s", "w"))
        for _ in range(2):
            harbour.apply(FILE[: FILE.index("routing:")] + "outcomes: {purchase: {}}\n")
        state = harbour.state.deployments.get("churn")
        assert (state.bandits, state.epochs) == ({}, {"everybody": 3})
        harbour.apply(FILE)
        assert harbour.state.deployments.get("churn").bandits["everybody"].epoch == 4
    harbour.close()


def test_what_has_the_same_name_and_another_digest_is_another_arm(harbour: Harbour) -> None:
    with gateway_worker(harbour.home):
        harbour.apply(FILE)
    state, spec = harbour.state.deployments.get("churn"), load_deployment(FILE)
    pins = tuple(
        msgspec.structs.replace(pin, slot=msgspec.structs.replace(pin.slot, digest=pin.slot.digest + "0"))
        if pin.variant == "challenger"
        else pin
        for pin in state.pins
    )
    moved = with_bandits(spec, msgspec.structs.replace(state, pins=pins), 77).bandits["everybody"]
    assert moved.versions == state.bandits["everybody"].versions
    assert (moved.epoch, moved.together, moved.since) == (2, 2, 77)
    harbour.close()


def test_arms_are_compared_only_from_where_their_versions_were_together() -> None:
    """A champion that stays and a challenger of another version: earlier epochs have only the champion's rows."""
    run = msgspec.structs.replace(RUN, epoch=20, together=11, versions={"a": "m:1", "b": "m:3"})
    rng = np.random.default_rng(1)
    drawn = [(epoch, "ab"[rng.integers(2)]) for epoch in range(1, 21) for _ in range(50)]
    kept = [(epoch, arm) for epoch, arm in drawn if epoch > 10 or arm == "a"]
    n = len(kept)
    seen = Rewards(
        units=tuple(f"u{i}" for i in range(n)),
        arms=tuple(arm for _, arm in kept),
        epochs=np.array([epoch for epoch, _ in kept]),
        values=np.ones(n),
        propensities=np.full(n, 0.5),
        revisions=tuple(epoch for epoch, _ in kept),
    )
    asked: list[int] = []

    def drawn_by(revision: int) -> dict[str, float]:
        asked.append(revision)
        return {"a": 0.25, "b": 0.75} if revision == 11 else {"b": 1.0}

    data = adaptive(seen, run, drawn_by)
    assert data.arms.size == 500
    assert sorted(asked) == list(range(11, 21))
    assert data.chances[data.epochs == 11][0].tolist() == [0.25, 0.75]
    assert data.chances[data.epochs == 12][0].tolist() == [0.0, 1.0]


def test_a_state_without_bandits_stays_as_it_is(harbour: Harbour) -> None:
    with gateway_worker(harbour.home):
        harbour.apply(RELEASE)
    state = harbour.state.deployments.get("churn")
    assert with_bandits(load_deployment(state.text), state, 5) is state
    harbour.close()
