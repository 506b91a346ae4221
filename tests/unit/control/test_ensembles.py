"""An ensemble is pinned with its members, released like a version, and stays what it was released as."""

from pathlib import Path
from unittest.mock import patch

import pytest

from seatrial.control.perform import Who, promote, rollback
from seatrial.control.senses import profiles_of
from seatrial.drift import Profile
from seatrial.drift.feature import FeatureProfile
from seatrial.spec.errors import BadInput, Conflict, Unavailable
from seatrial.spec.signature import Feature
from tests.harbour import RELEASE, Harbour, signature

ADA = Who("ada", "because")
FILE = RELEASE.replace(
    '  challenger: {model: "models:/churn/2"}\n',
    '  trees: {model: "models:/trees@best"}\n  both: {ensemble: [champion, trees], combine: vote}\n',
).replace("of: challenger", "of: both")


@pytest.fixture
def fleet(harbour: Harbour) -> Harbour:
    for version in (4, 5):  # the miniature registry tells digests apart by number
        harbour.registry.add("trees", version)
    harbour.registry.named["trees"] = {"best": 4}
    return harbour


def members(harbour: Harbour, variant: str = "both") -> list[str]:
    return [part.model_version for part in harbour.serving.slot(variant).parts]


def test_an_ensemble_is_pinned_with_the_versions_of_its_members(fleet: Harbour) -> None:
    applied = fleet.apply(FILE)
    assert fleet.versions == {"champion": "churn:1", "trees": "trees:4", "both": "both"}
    assert members(fleet) == ["churn:1", "trees:4"]
    assert "`both` is both (vote of models:/churn@champion and models:/trees@best)." in applied.changes
    assert any("a release of both against churn:1 begins" in change for change in applied.changes)
    fleet.registry.named["trees"]["best"] = 5
    assert fleet.apply(FILE).changes == ()


def test_a_promoted_ensemble_keeps_its_members_and_its_name(fleet: Harbour) -> None:
    fleet.apply(FILE)
    promote(fleet.site, "churn", ADA)
    assert fleet.versions == {"champion": "both", "trees": "trees:4", "previous": "churn:1"}
    assert members(fleet, "champion") == ["churn:1", "trees:4"]
    assert fleet.registry.named["churn"] == {"champion": 1}
    assert fleet.apply(FILE).changes == ()
    rollback(fleet.site, "churn", ADA)
    assert fleet.versions["champion"] == "churn:1"
    with pytest.raises(Conflict, match="`both` is both, which was rolled back before"):
        fleet.apply(FILE.replace("[champion, trees]", "[trees, champion]"))


def test_an_ensemble_outlives_the_promotion_of_a_member(fleet: Harbour) -> None:
    text = FILE.replace("of: both", "of: trees")
    fleet.apply(text)
    promote(fleet.site, "churn", ADA)
    assert fleet.versions == {"champion": "trees:4", "both": "both", "previous": "churn:1"}
    assert members(fleet) == ["churn:1", "trees:4"]
    fleet.apply(text.replace("[champion, trees]", "[trees, champion]"))
    assert members(fleet) == ["trees:4", "trees:4"]


def test_another_member_is_another_ensemble_and_begins_its_release_anew(fleet: Harbour) -> None:
    fleet.apply(FILE)
    first = fleet.state.deployments.get("churn").run
    applied = fleet.apply(FILE.replace("models:/trees@best", "models:/trees/5"), restart=True)
    assert members(fleet) == ["churn:1", "trees:5"]
    second = fleet.state.deployments.get("churn").run
    assert first is not None
    assert second is not None
    assert first.id != second.id
    assert any(change.startswith("`both` combines other versions: vote of") for change in applied.changes)
    assert any(change.startswith("the release of both ends, because another begins") for change in applied.changes)


def test_a_longer_timeout_is_no_other_ensemble(fleet: Harbour) -> None:
    fleet.apply(FILE)
    fleet.apply(FILE.replace("combine: vote", "combine: vote, timeout: 3s"))
    slot = fleet.serving.slot("both")
    assert [slot.timeout, *(part.timeout for part in slot.parts)] == [3.0, 3.0, 3.0]
    assert len([entry for entry in fleet.actions() if entry == "apply"]) == 2


def test_the_ensemble_itself_must_trust_a_pickle_among_its_members(fleet: Harbour) -> None:
    fleet.registry.add("trees", 6, trust="pickle", runtime="python", format="joblib")
    text = FILE.replace('"models:/trees@best"', '"models:/trees/6", trust: pickle')
    with pytest.raises(BadInput, match="write `trust: pickle` at variant `both`"):
        fleet.apply(text)
    trusting = text.replace("combine: vote", "combine: vote, trust: pickle").replace(
        '"models:/churn@champion"', '"models:/churn@champion", trust: pickle'
    )
    fleet.apply(trusting)
    assert [part.trust for part in fleet.serving.slot("both").parts] == ["pickle", "pickle"]
    with pytest.raises(BadInput, match="write `trust: pickle` at variant `both`"):
        fleet.apply(trusting.replace("combine: vote, trust: pickle", "combine: vote"))


def test_members_that_cannot_be_combined_are_refused(fleet: Harbour) -> None:
    with pytest.raises(BadInput, match=r"`both` averages scores, and `champion` \(churn:1\) gives none"):
        fleet.apply(FILE.replace("combine: vote", "combine: mean"))
    fleet.registry.add("trees", 5, signature=signature("regression"))
    with pytest.raises(BadInput, match="members of an ensemble have one task"):
        fleet.apply(FILE.replace("models:/trees@best", "models:/trees/5"))


def test_an_ensemble_is_watched_on_what_its_members_take(fleet: Harbour) -> None:
    extra = Feature(name="plan", kind="category", nullable=True, categories=("a",))
    fleet.registry.add("trees", 4, signature=signature("classification", extra))
    fleet.apply(FILE)
    slot = fleet.serving.slot("both")
    assert profiles_of([slot]) == {}
    for part, names in zip(slot.parts, (("tenure",), ("tenure", "plan")), strict=True):
        features = tuple(FeatureProfile(name=name, kind="number", rows=len(names)) for name in names)
        Path(part.path, "profile.json").write_bytes(Profile(rows=5, features=features, prediction=features).to_json())
    found = profiles_of([slot])["both"]
    denied = patch.object(Path, "read_bytes", side_effect=PermissionError(13, "Permission denied"))
    with denied, pytest.raises(Unavailable, match="cannot be read: Permission denied"):
        profiles_of([slot])
    assert {feature.name: feature.rows for feature in found.features} == {"tenure": 1, "plan": 2}
    assert found.prediction == ()
