"""A release that waits for what a bandit logged: what opens the gate, and what keeps it shut."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest

from seatrial.bandits import AdaptiveData, adaptive_effect
from seatrial.control.decisions import verify
from seatrial.control.requirement import _chances, capped, weighed
from seatrial.experiments.rewards import Rewards
from seatrial.releases.run import ReleaseRun
from seatrial.spec.deployment import Deployment
from seatrial.spec.errors import SeatrialError
from seatrial.spec.problems import SpecError
from seatrial.spec.read import load_deployment
from seatrial.stats.sequence import multiplier
from tests.harbour import RELEASE
from tests.scenarios.scene import Scene

WAITS = RELEASE.replace("  then: promote", "  require: off-policy\n  then: promote")
SPEC = load_deployment(WAITS.replace("relative: 2%", "absolute: 2%"))
RUN = ReleaseRun(
    id="run-1",
    deployment="churn",
    entry="everybody",
    champion="champion",
    challenger="challenger",
    champion_version="churn:1",
    challenger_version="churn:2",
    salt="",
    stage="shadow",
    stage_started_at=0,
    alpha=0.05,
    plan_units=5000,
    started_at=0,
)
EPOCHS = {1: {"champion": 0.5, "challenger": 0.3, "other": 0.2}, 2: {"champion": 0.9, "challenger": 0.1}}


def logged(champion: float, challenger: float, units: int = 20_000, seed: int = 1) -> Rewards:
    """Units of two epochs, with these chances to buy; those that got a third arm are not the two versions'."""
    rng = np.random.default_rng(seed)
    epochs = np.sort(rng.integers(1, 3, units))
    share = np.where(epochs == 1, 0.3 / 0.8, 0.1)
    got = rng.random(units) < share
    values = (rng.random(units) < np.where(got, challenger, champion)).astype(float)
    return Rewards(
        units=tuple(f"u{i}" for i in range(units)),
        arms=tuple("challenger" if one else "champion" for one in got.tolist()),
        epochs=epochs,
        values=values,
        propensities=np.where(got, share, 1 - share),
        revisions=tuple(epochs.tolist()),
        any_came=True,
    )


def first(seen: Rewards, n: int) -> Rewards:
    """What was logged of the first ``n`` units."""
    return Rewards(
        units=seen.units[:n],
        arms=seen.arms[:n],
        epochs=seen.epochs[:n],
        values=seen.values[:n],
        propensities=seen.propensities[:n],
        revisions=seen.revisions[:n],
        any_came=True,
    )


def plainly(seen: Rewards) -> bool:
    """What a one-sided interval of 95 % for one look would have said."""
    chance = np.where(seen.epochs == 1, 0.3 / 0.8, 0.1)
    arms = np.array([arm == "challenger" for arm in seen.arms], dtype=np.int64)
    data = AdaptiveData(np.arange(arms.size), seen.epochs, arms, seen.values, np.stack([1 - chance, chance], axis=1))
    return adaptive_effect(data, 1, 0, alpha=0.1).lower > -0.02


def held(seen: Rewards, spec: Deployment = SPEC) -> str:
    return weighed(spec, RUN, seen, EPOCHS.__getitem__)


def test_what_is_shown_to_be_no_worse_may_begin_and_what_is_not_shown_may_not() -> None:
    assert held(logged(0.10, 0.12)) == ""
    assert held(logged(0.10, 0.10)) == "", "equal, within two points, on so many units"
    worse = held(logged(0.10, 0.05))
    assert "churn:1 has 0.1" in worse
    assert "and churn:2 -0.0" in worse
    assert "no worse than by 0.02 is not shown yet on" in worse
    assert "is not shown" in held(logged(0.10, 0.10, units=2_000)), "too few to tell"


def test_a_metric_that_should_be_low_is_turned_round() -> None:
    low = load_deployment(WAITS.replace("relative: 2%", "absolute: 2%").replace("want: higher", "want: lower"))
    assert held(logged(0.10, 0.05), low) == ""
    assert "is not shown" in held(logged(0.10, 0.14), low)


def test_the_estimate_is_the_bandits_own_given_that_one_of_the_two_was_drawn() -> None:
    seen = logged(0.10, 0.05)
    chance = np.where(seen.epochs == 1, 0.3 / 0.8, 0.1)
    arms = np.array([arm == "challenger" for arm in seen.arms], dtype=np.int64)
    data = AdaptiveData(np.arange(arms.size), seen.epochs, arms, seen.values, np.stack([1 - chance, chance], axis=1))
    expected = adaptive_effect(data, 1, 0)
    half = multiplier(arms.size, 0.05, 5000, "lower") * expected.se
    assert f"has {expected.control:.4g} and churn:2 {expected.effect:+.4g}" in held(seen)
    assert f"worse by {half - expected.effect - 0.02:.4g} more" in held(seen)


def test_a_relative_margin_knows_that_the_champions_mean_is_not_known_either() -> None:
    """T − (1 − δ)·C has the variance of both, which a line at δ times the mean that was seen has not."""
    spec = load_deployment(WAITS.replace("relative: 2%", "relative: 20%"))
    seen = logged(0.10, 0.05)
    chance = np.where(seen.epochs == 1, 0.3 / 0.8, 0.1)
    arms = np.array([arm == "challenger" for arm in seen.arms], dtype=np.int64)
    data = AdaptiveData(np.arange(arms.size), seen.epochs, arms, seen.values, np.stack([1 - chance, chance], axis=1))
    champion, challenger = adaptive_effect(data, 0, 1, of_control=0.0), adaptive_effect(data, 1, 0, of_control=0.0)
    contrast = adaptive_effect(data, 1, 0, of_control=0.8)
    assert contrast.effect == pytest.approx(challenger.effect - 0.8 * champion.effect)
    assert contrast.se > challenger.se, "each has a part in it"
    half = multiplier(arms.size, 0.05, 5000, "lower") * contrast.se
    assert f"worse by {half - contrast.effect:.4g} more" in held(seen, spec)


def test_however_often_one_looks_the_gate_stays_shut_at_the_line() -> None:
    """Worse by exactly the margin, weighed as units come: of 200 such worlds with 20 looks a plain interval opened in
    38, this in 2."""
    opened, plain = 0, 0
    for seed in range(30):
        whole = logged(0.12, 0.10, units=6_000, seed=seed)
        looks = range(600, 6_001, 600)
        opened += any(held(first(whole, n)) == "" for n in looks)
        plain += any(plainly(first(whole, n)) for n in looks)
    assert opened <= 4, "5 % of 30 and two standard errors"
    assert plain > opened, "and looking is what it guards against"


def test_rows_of_a_bandit_that_chose_by_context_count_by_their_own_chances() -> None:
    """Whose means alone are in the snapshot."""
    seen = logged(0.10, 0.05)
    own = dataclasses.replace(seen, chances=tuple(tuple(EPOCHS[epoch].values()) for epoch in seen.epochs.tolist()))
    means = {1: {"champion": 0.1, "challenger": 0.7, "other": 0.2}, 2: {"champion": 0.5, "challenger": 0.5}}
    assert weighed(SPEC, RUN, own, means.__getitem__) == held(seen)
    assert weighed(SPEC, RUN, seen, means.__getitem__) != held(seen)


def test_without_a_bandit_that_had_both_there_is_nothing_to_go_by() -> None:
    assert "churn:1 has 0 matured units of a bandit in `everybody`" in held(logged(0.1, 0.1, units=0))
    seen = logged(0.10, 0.12)
    alone = {1: {"champion": 1.0}, 2: {"champion": 1.0, "challenger": 0.0}}
    assert "matured units" in weighed(SPEC, RUN, seen, alone.__getitem__), "the challenger had no chance in any epoch"


def test_a_cap_counts_as_in_the_release() -> None:
    seen = dataclasses.replace(logged(0.1, 0.1, units=10), values=np.arange(10.0))
    assert capped(seen, 3.0).values.tolist() == [0, 1, 2, 3, 3, 3, 3, 3, 3, 3]
    assert capped(seen, None) is seen


def test_what_another_version_did_in_the_same_place_says_nothing() -> None:
    """A hundred epochs against an older version, and a few units of the new one, which is far worse."""
    old, new = logged(0.10, 0.10, units=20_000), logged(0.10, 0.02, units=6_000, seed=3)
    of_old = [number for number, arm in enumerate(old.arms) if arm == "champion"]  # the older challenger's are not its
    both = Rewards(
        units=(*(old.units[n] for n in of_old), *(f"new-{unit}" for unit in new.units)),
        arms=(*(old.arms[n] for n in of_old), *new.arms),
        epochs=np.concatenate([old.epochs[of_old], new.epochs + 2]),
        values=np.concatenate([old.values[of_old], new.values]),
        propensities=np.concatenate([old.propensities[of_old], new.propensities]),
        revisions=(*(old.revisions[n] for n in of_old), *(revision + 2 for revision in new.revisions)),
        any_came=True,
    )
    chances = {1: {}, 2: {}, 3: EPOCHS[1], 4: EPOCHS[2]}
    assert "is not shown" in weighed(SPEC, RUN, both, chances.__getitem__)
    of_its_own = {3: EPOCHS[1], 4: EPOCHS[2]}
    later = dataclasses.replace(new, revisions=tuple(revision + 2 for revision in new.revisions), epochs=new.epochs + 2)
    assert weighed(SPEC, RUN, both, chances.__getitem__) == weighed(SPEC, RUN, later, of_its_own.__getitem__)


def test_a_revision_counts_where_it_served_these_versions(scene: Scene) -> None:
    scene.harbour.apply(RELEASE)
    scene.step()
    revision = scene.harbour.state.deployments.get("churn").revision
    found = _chances(scene.harbour.site, "churn", RUN, revision)
    assert found == {"champion": 1.0}, "in shadow it has the challenger loaded, with no chance yet"
    for other in ("champion_version", "challenger_version"):
        assert _chances(scene.harbour.site, "churn", msgspec.structs.replace(RUN, **{other: "churn:9"}), revision) == {}


def test_rare_events_and_one_busy_unit_are_not_enough() -> None:
    rare = held(logged(0.002, 0.002, units=2_000))
    assert "of 10 events of each kind" in rare
    seen = logged(0.1, 0.1)
    one = dataclasses.replace(seen, units=("ann",) * len(seen.units))
    assert "has 1 matured units of a bandit" in held(one)
    same = dataclasses.replace(seen, values=np.full(seen.values.size, 2.5))
    assert "every unit earned the same" in held(same)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("  purchase: {}", "  purchase: {label: true}", "is of the label `purchase`"),
        ("  require:", "  challenge: {every: 14d, budget: 20%, per: 90d}\n  require:", "was never an arm of a bandit"),
    ],
)
def test_what_a_bandit_cannot_say_is_refused(old: str, new: str, words: str) -> None:
    text = WAITS.replace("models:/churn/2", "models:/churn/latest") if "challenge" in new else WAITS
    assert old in text
    with pytest.raises(SpecError) as refused:
        load_deployment(text.replace(old, new))
    assert words in str(refused.value)


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    made = Scene(tmp_path)
    yield made
    assert verify(made.harbour.state) == [], "the past decides itself again"
    made.close()


def test_the_release_waits_says_why_and_begins_when_it_may(scene: Scene) -> None:
    scene.world.held_back_by = "churn:2 has 7 matured units"
    applied = scene.harbour.apply(WAITS)
    assert "it waits to begin, until what was logged before lets it." in applied.changes
    scene.step(days=3)
    assert scene.status() == "pending"
    assert scene.harbour.weights == {"champion": 1.0}
    assert scene.harbour.state.audit.of("churn", action="decide")[-1].sentence == (
        "Decided to wait: held back: churn:2 has 7 matured units."
    )
    scene.world.held_back_by = ""
    scene.step(seconds=61)
    assert (scene.status(), scene.stage()) == ("running", "shadow")


def test_what_cannot_be_weighed_holds_it_back(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object) -> str:
        raise SeatrialError("the ledger is away")

    monkeypatch.setattr(scene.world, "held_back", away)
    scene.harbour.apply(WAITS)
    scene.step()
    assert scene.status() == "pending"
    last = scene.harbour.state.audit.of("churn", action="decide")[-1]
    assert (last.why, last.sentence) == ("held back", "Decided to wait: held back: the ledger is away.")


def test_a_release_that_waits_ends_when_its_time_is_up(scene: Scene) -> None:
    scene.world.held_back_by = "churn:2 has 7 matured units"
    scene.harbour.apply(WAITS.replace("  require:", "  at_most: 20d\n  require:"))
    scene.step(days=19)
    assert scene.status() == "pending"
    scene.step(days=2)
    assert scene.status() == "inconclusive"
    assert (
        "ended inconclusive; churn:1 keeps command"
        in scene.harbour.state.audit.of("churn", action="conclude")[-1].sentence
    )
