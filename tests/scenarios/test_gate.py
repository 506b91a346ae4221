"""`require: off-policy` on a bandit's real ledger: its epochs, reweighings and rows decide whether a release begins."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from seatrial.control.decisions import verify
from seatrial.control.loop import Loop
from seatrial.control.senses import LedgerSenses
from seatrial.ledger.rows import Outcome
from seatrial.routing.router import Router
from tests.harbour import RELEASE, SECOND
from tests.ledger_events import PLAIN, envelope, outcome, prediction_log
from tests.scenarios.scene import Scene
from tests.trials import write_outcomes_at_once

HEAD = RELEASE[: RELEASE.index("routing:")]
TAIL = RELEASE[RELEASE.index("outcomes:") :].replace("within: 1d", "within: 1m, grace: 1m")
BANDIT = (
    HEAD
    + """\
routing:
  - name: everybody
    bandit:
      arms: [champion, challenger]
      reward: {outcome: purchase, within: 1m, grace: 1m}
      every: 1h
      floor: 10%
"""
    + TAIL[: TAIL.index("release:")]
)
WAITS = (
    HEAD
    + "routing:\n  - {name: everybody, split: {champion: 100%}}\n"
    + TAIL.replace("relative: 2%", "absolute: 2%").replace("  then: promote", "  require: off-policy\n  then: promote")
)
EPOCHS, UNITS = 4, 1500


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    made = Scene(tmp_path)
    made.loop = Loop(made.harbour.site, LedgerSenses(made.harbour.home), made.leadership, post=lambda *_: 200)
    yield made
    assert verify(made.harbour.state) == [], "the past decides itself again, reweighings too"
    made.close()


def an_hour(scene: Scene, first: int, rng: np.random.Generator, buys: Callable[[str, int], float]) -> list[float]:
    """Units of an hour, drawn by the snapshot that is served, and what they buy at once; the weights of then."""
    harbour, serving = scene.harbour, scene.harbour.serving
    router, slots = Router(serving), {slot.variant: slot.model_version for slot in serving.slots}
    start, bought = harbour.clock.now, list[Outcome]()
    with prediction_log(harbour.home, f"w{first}") as log:
        buffer = log.buffer(PLAIN)
        for number in range(first, first + UNITS):
            made = router.decide(f"unit-{number}", (), {})
            at = start + (number - first) * 2 * SECOND
            row = envelope(number, at=at, variant=made.variant, assigned_version=slots[made.variant])
            row = row._replace(
                answered=made.variant,
                version=slots[made.variant],
                reason=made.reason,
                propensity=made.propensity,
                contested=made.contested,
                release=made.release,
                phase=made.phase,
                revision=serving.revision,
            )
            assert buffer.append(row, (), None, None, None, (0.0,))
            if rng.random() < buys(made.variant, number):
                bought.append(outcome(unit=f"unit-{number}", at=at + SECOND))
    write_outcomes_at_once(harbour.home, bought)
    weights = list(harbour.weights.values())
    scene.step(seconds=3600)
    return weights


def run_bandit(scene: Scene, champion: float, challenger: float, epochs: int = EPOCHS) -> list[list[float]]:
    """A bandit of some hours whose arms' units buy with these chances; the weights of each."""
    rng = np.random.default_rng(11)
    scene.harbour.apply(BANDIT)
    rates = {"champion": champion, "challenger": challenger}
    return [an_hour(scene, epoch * UNITS, rng, lambda variant, _: rates[variant]) for epoch in range(epochs)]


def held(scene: Scene) -> str:
    scene.harbour.apply(WAITS)
    scene.step()
    return scene.harbour.state.audit.of("churn", action="decide")[-1].sentence


def test_a_version_that_a_bandit_found_no_worse_begins(scene: Scene) -> None:
    weights = run_bandit(scene, 0.10, 0.15)
    assert weights[0] == [0.5, 0.5]
    assert weights[-1][1] > 0.85, "it has learned from the ledger, and the chances changed on the way"
    held(scene)
    assert (scene.status(), scene.stage()) == ("running", "shadow")


def test_a_version_that_a_bandit_found_worse_stays_outside_and_the_reason_is_told(scene: Scene) -> None:
    weights = run_bandit(scene, 0.15, 0.10)
    assert weights[-1][0] > 0.85
    sentence = held(scene)
    assert sentence.startswith("Decided to wait: held back: in `conversion` churn:1 has 0.1")
    assert "no worse than by 0.02 is not shown yet" in sentence
    scene.step(days=2)
    assert scene.status() == "pending"
    assert scene.harbour.weights == {"champion": 1.0}


def test_too_little_of_a_bandit_keeps_it_shut(scene: Scene) -> None:
    """One hour of 1 500 units, alike: what may be said of them is less than the line asks."""
    run_bandit(scene, 0.10, 0.10, epochs=1)
    assert "is not shown yet on 1 500 units" in held(scene)
    assert scene.status() == "pending"


def test_rows_of_a_split_are_no_rows_of_a_bandit(scene: Scene) -> None:
    """The same units under the same chances, drawn by a split: the gate asks for a bandit's."""
    scene.harbour.apply(
        HEAD
        + "routing:\n  - {name: everybody, split: {champion: 50%, challenger: 50%}}\n"
        + TAIL[: TAIL.index("release:")]
    )
    an_hour(scene, 0, np.random.default_rng(11), lambda *_: 0.1)
    assert "has 0 matured units of a bandit in `everybody`" in held(scene)
