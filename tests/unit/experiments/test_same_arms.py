"""A/A tests split a deployment's past as its release will."""

from typing import Any

import numpy as np
import pytest

from seatrial.experiments import same_arms
from seatrial.experiments.same_arms import split_past
from seatrial.experiments.source import TableSource
from seatrial.spec.deployment import Deployment
from seatrial.spec.errors import BadInput
from tests import worlds

DAY = 86_400 * worlds.SECOND
RUN = worlds.release((0.01, 0))


def file(*stages: dict[str, Any]) -> Deployment:
    return worlds.deployment(
        outcomes={"buy": {}},
        metrics={"conversion": {"kind": "proportion", "outcome": "buy", "within": 3600.0, "grace": 0.0}},
        release={
            "of": "challenger",
            "into": "everybody",
            "stages": list(stages),
            "primary": {"metric": "conversion", "minimum_effect": {"absolute": 0.05}},
        },
    )


def past(n: int, entry: str = "everybody") -> TableSource:
    rng = np.random.default_rng(1)
    at = np.sort(worlds.START + rng.integers(0, DAY, n))
    names = worlds.unit_names(n)
    given = {"variant": np.full(n, "champion", dtype=object), "release": [""] * n, "entry": [entry] * n}
    bought = np.flatnonzero(rng.random(n) < 0.3)
    came = worlds.outcomes("buy", at[bought] + 1, unit=[names[i] for i in bought])
    return worlds.source([worlds.rows(RUN, names, at, **given)], [came])


def shares_of(spec: Deployment, n: int, monkeypatch: pytest.MonkeyPatch) -> set[float]:
    """The challenger's shares of the entries that are drawn from."""
    seen: set[float] = set()
    drawn = same_arms.assign_many

    def watched(entry: Any, names: Any) -> Any:
        seen.update(arm.weight for arm in entry.arms if arm.variant == "challenger")
        return drawn(entry, names)

    monkeypatch.setattr(same_arms, "assign_many", watched)
    (found,) = (one for one in split_past(spec, RUN, past(n), worlds.START + 2 * DAY, 30) if one.metric == "conversion")
    assert found.trustworthy
    return seen


@pytest.mark.parametrize(
    ("stages", "n", "share"),
    [
        (({"kind": "canary", "steps": [0.1, 0.3]}, {"kind": "test", "share": 0.5}), 3000, 0.1),
        (({"kind": "canary", "steps": [0.01, 0.2]}, {"kind": "test", "share": 0.5}), 3000, 0.2),
        (({"kind": "test"},), 3000, 0.5),
    ],
)
def test_the_past_is_split_by_the_smallest_planned_share_that_has_units(
    stages: tuple[dict[str, Any], ...], n: int, share: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert shares_of(file(*stages), n, monkeypatch) == {share}


def test_too_few_units_for_any_planned_share_are_refused_with_how_many_it_takes() -> None:
    spec = file({"kind": "canary", "steps": [0.01, 0.1]})
    with pytest.raises(BadInput, match=r"900 units of the champion.*it takes 1000 to split them as planned"):
        split_past(spec, RUN, past(900), worlds.START + 2 * DAY, 10)


def test_units_that_another_entry_took_are_not_split() -> None:
    with pytest.raises(BadInput, match="0 units of the champion"):
        split_past(file({"kind": "test"}), RUN, past(900, "elsewhere"), worlds.START + 2 * DAY, 10)
