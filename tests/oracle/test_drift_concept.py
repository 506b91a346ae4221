"""Every detector of concept drift against river's, index by index, on seeded streams (frozen; see others/)."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seatrial.drift.concept import Adwin, Ddm, Detector, HddmA, HddmW, PageHinkley
from tests.oracle.others.error_streams import SEEDS, STREAMS

OURS: dict[str, Detector] = {
    "adwin": Adwin(),
    "adwin delta=0.05 clock=8": Adwin(delta=0.05, clock=8),
    "page-hinkley threshold=10": PageHinkley(threshold=10),
    "page-hinkley": PageHinkley(),
    "page-hinkley rises only": PageHinkley(threshold=20, watches="rise"),
    "page-hinkley falls only": PageHinkley(threshold=20, watches="fall"),
    "ddm": Ddm(),
    "ddm levels 2.5 and 4": Ddm(least=100, warning=2.5, drift=4.0),
    "hddm-a": HddmA(),
    "hddm-a both sides": HddmA(both_sides=True),
    "hddm-w": HddmW(),
    "hddm-w both sides": HddmW(both_sides=True, fading=0.02),
}


@cache
def answers() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((Path(__file__).parent / "others" / "river_changes.json").read_text("utf-8"))
    changes: dict[str, Any] = found["changes"]
    return changes


@pytest.mark.parametrize("kind", STREAMS)
@pytest.mark.parametrize("name", OURS)
def test_alarms_and_warnings_are_rivers_index_by_index(name: str, kind: str) -> None:
    if kind == "losses" and not name.startswith(("adwin", "page")):
        kind = "abrupt"
    for seed in SEEDS:
        theirs = answers()[f"{name} | {kind} | {seed}"]
        _, changes = OURS[name].read(STREAMS[kind](seed))
        assert [change.at for change in changes.drifts] == theirs["drifts"], seed
        assert list(changes.warnings) == [at for a, b in theirs["warnings"] for at in range(a, b + 1)], seed


def test_the_frozen_answers_hold_changes_of_every_detector() -> None:
    for name in OURS:
        found = [len(value["drifts"]) for key, value in answers().items() if key.startswith(f"{name} | ")]
        assert sum(found) >= 10, name


@pytest.mark.parametrize("detector", [Adwin(), PageHinkley(threshold=20), Ddm(), HddmA(), HddmW()])
def test_a_change_says_what_the_error_was_and_what_it_is(detector: Detector) -> None:
    stream = np.array([0, 0, 0, 0, 1] * 200 + [0, 1, 1, 1] * 100)
    _, changes = detector.read(stream)
    first = changes.drifts[0]
    assert 1000 < first.at < 1120
    assert first.rose
    assert first.before == pytest.approx(0.2, abs=0.03)
    assert first.after == pytest.approx(0.7, abs=0.12)
