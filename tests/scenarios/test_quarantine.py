"""A version under which workers crashed: people are told once, its weight goes, retry brings it back."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from seatrial.control.perform import promote
from seatrial.ledger.quarantine import add_quarantined, read_quarantine
from seatrial.ledger.underway import Suspect
from tests.harbour import PLAIN, RELEASE
from tests.scenarios.test_releases import ADA, Scene

SPLIT = (
    PLAIN + '  other: {model: "models:/churn/2"}\nrouting:\n  - {name: everybody, split: {champion: 60%, other: 40%}}\n'
)


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    made = Scene(tmp_path)
    yield made
    made.close()


def quarantine(scene: Scene, variant: str) -> None:
    digest = scene.harbour.serving.slot(variant).digest
    suspect = Suspect("churn", variant, digest, default=variant == "champion")
    add_quarantined(scene.harbour.home, (suspect,), 5, "workers crashed within a minute while it ran: w0 by SIGSEGV")


def test_a_variants_weight_goes_to_the_champion_and_comes_back_with_retry(scene: Scene) -> None:
    scene.harbour.apply(SPLIT)
    assert scene.harbour.weights == {"champion": 0.6, "other": 0.4}
    quarantine(scene, "other")
    scene.step()
    assert scene.harbour.weights == {"champion": 1.0}
    assert scene.events == ["quarantine"]
    (alert,) = scene.harbour.state.alerts.of("churn")
    assert alert.severity == "critical"
    assert alert.sentence == (
        "Churn:2 (other) is in quarantine: workers crashed within a minute while it ran: w0 by SIGSEGV. `champion` "
        "answers in its place; to try it again: seatrial apply --retry."
    )
    scene.step()
    scene.another_loop()
    assert scene.harbour.actions().count("quarantine") == 1
    assert scene.harbour.apply(SPLIT).changes == ()
    scene.harbour.apply(SPLIT, retry=True)
    assert read_quarantine(scene.harbour.home) == ()
    assert scene.harbour.weights == {"champion": 0.6, "other": 0.4}


def test_a_releases_challenger_ends_its_release(scene: Scene) -> None:
    scene.harbour.apply(RELEASE)
    quarantine(scene, "challenger")
    scene.step()
    assert scene.status() == "rolled-back"
    assert scene.harbour.versions == {"champion": "churn:1"}
    assert scene.harbour.serving.shadows == ()


def test_a_version_in_command_goes_back_to_the_one_before(scene: Scene) -> None:
    scene.harbour.apply(RELEASE)
    promote(scene.harbour.site, "churn", ADA)
    assert scene.harbour.versions["champion"] == "churn:2"
    quarantine(scene, "champion")
    scene.step()
    assert scene.harbour.versions["champion"] == "churn:1"


def test_where_there_is_nothing_to_go_to_people_are_told(scene: Scene) -> None:
    scene.harbour.apply(PLAIN)
    quarantine(scene, "champion")
    for _ in range(3):
        scene.step()
    assert scene.events == ["quarantine"]
    assert "quarantine" not in scene.harbour.actions()
    scene.loop = scene.another_loop()
    scene.step()
    assert scene.events == ["quarantine"]
    scene.harbour.apply(PLAIN, retry=True)
    assert read_quarantine(scene.harbour.home) == ()


def test_a_quarantine_file_that_cannot_be_read_stops_nothing(scene: Scene) -> None:
    scene.harbour.apply(RELEASE)
    (scene.harbour.home / "quarantine.json").write_text("{")
    scene.step()
    assert scene.events == []
