"""A shadow over real HTTP, a sample of it judged by people and imported: what all pairs hold comes out of it."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from seatrial.control.apply import apply
from seatrial.models.register import register
from tests.live import LiveSystem
from tests.waiting import wait_for

pytestmark = [pytest.mark.processes, pytest.mark.timeout(300)]

FILE = """\
deployment: shop
task: classification
variants:
  champion:   {model: "models:/shop/1"}
  challenger: {model: "models:/shop/2"}
outcomes: {truth: {label: true}}
metrics: {right: {kind: accuracy, outcome: truth, within: 1h}}
routing:
  - {name: everybody, split: {champion: 100%}}
release:
  of: challenger
  into: everybody
  stages: [{shadow: {share: 100%, for: 1d}}]
  primary: {metric: right, minimum_effect: {absolute: 1%}}
"""
VISITS = 500


def truth(a: float, b: float) -> int:
    return int(2 * a + b > 0)


def visit(system: LiveSystem, features: np.ndarray) -> None:
    caller = system.caller()
    try:
        for number, (a, b) in enumerate(features.tolist()):
            body = {"unit": f"u{number}", "features": {"a": a, "b": b}}
            assert caller("POST", "/v1/deployments/shop/predict", body).status == 200
    finally:
        caller.close()


def shadow(system: LiveSystem) -> dict[str, Any]:
    done = system.command("judge", "shop", "--json")
    assert done.returncode in (0, 1), done.stderr
    found: dict[str, Any] = json.loads(done.stdout)["shadow"] or {"pairs": 0}
    return found


def test_judged_by_people(tmp_path: Path) -> None:
    system = LiveSystem(tmp_path)
    rng = np.random.default_rng(7)
    frame = pd.DataFrame({"a": rng.normal(size=400), "b": rng.normal(size=400)})
    for version in (1, 2):
        frame["label"] = (frame["a"] * version + frame["b"] > 0).astype(int)
        register("shop", LogisticRegression().fit(frame[["a", "b"]], frame["label"]), data=frame, target="label",
                 settings=system.settings)  # fmt: skip
    apply(FILE, system.settings, actor="test")
    features = rng.normal(size=(VISITS, 2))
    file = tmp_path / "review.csv"
    with system:
        visit(system, features)
        wait_for(lambda: shadow(system)["pairs"] == VISITS, seconds=60, what="every pair")
        drawn = system.command("review", "shop", "--disagreements", "30", "--agreements", "60", "--out", str(file))
        assert drawn.returncode == 0, drawn.stderr
        fill(file)
        imported = system.command("outcome", "import", str(file), "--outcome", "truth", "--deployment", "shop")
        assert imported.returncode == 0, imported.stderr
        assert "`judge` weighs them to all pairs" in imported.stdout
        told = system.command("judge", "shop").stdout
        found = shadow(system)
        explained = system.command("explain", found["differ_most"][0]["request_id"])
    check(found)
    assert found["labelled"] == 0, "labels of a review are no plain labels"
    assert "judged: accuracy" in told
    assert "differ most" in told
    assert explained.returncode == 0, explained.stderr


def fill(file: Path) -> None:
    with file.open(newline="") as opened:
        rows = list(csv.DictReader(opened))
    with file.open("w", newline="") as opened:
        writer = csv.DictWriter(opened, list(rows[0]))
        writer.writeheader()
        writer.writerows(row | {"label": truth(float(row["a"]), float(row["b"]))} for row in rows)


def check(found: dict[str, Any]) -> None:
    """Of those who came, and all of whom are known here, the shares lie in the intervals."""
    judged = found["judged"]
    assert judged["pairs"] == VISITS
    rng = np.random.default_rng(7)
    rng.normal(size=400), rng.normal(size=400)
    features = rng.normal(size=(VISITS, 2))
    said = {version: (features[:, 0] * version + features[:, 1] > 0) for version in (1, 2)}
    right = {version: np.mean(said[version] == (2 * features[:, 0] + features[:, 1] > 0)) for version in said}
    for version, model in ((1, "champion"), (2, "challenger")):
        accuracy = judged[model]["accuracy"]
        assert accuracy["lower"] <= right[version] + 0.02, "a fitted model is off its line by a little"
        assert accuracy["upper"] >= right[version] - 0.02
    assert judged["difference"]["lower"] > 0
    assert judged["difference"]["value"] == pytest.approx(right[2] - right[1], abs=0.03)
