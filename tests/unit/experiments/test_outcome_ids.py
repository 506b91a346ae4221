"""An outcome's id belongs to one unit: shared by units of both variants, nothing that is measured can be trusted."""

from typing import Any

import numpy as np
import pytest

from seatrial.experiments.judge import judge
from seatrial.experiments.judgement import Check, Judgement
from tests import worlds

UNITS = 400
RUN = worlds.release((0.5, 0))
AT = worlds.START + np.arange(UNITS) * worlds.SECOND
NAMES = worlds.unit_names(UNITS)
ROWS = worlds.rows(RUN, NAMES, AT)
IN = {arm: np.flatnonzero(ROWS["variant"] == arm) for arm in ("champion", "challenger")}


def judged(*more: dict[str, Any]) -> Judgement:
    spec = worlds.deployment(
        outcomes={"buy": {}},
        metrics={"revenue": {"kind": "mean", "outcome": "buy", "within": 30.0, "grace": 10.0}},
        release={
            "of": "challenger",
            "into": "everybody",
            "stages": [{"kind": "test"}],
            "primary": {"metric": "revenue", "minimum_effect": {"absolute": 0.1}},
        },
    )
    spent = np.random.default_rng(1).normal(10, 1, UNITS)
    bought = worlds.outcomes("buy", AT + worlds.SECOND, unit=NAMES, value_number=spent)
    source = worlds.source([ROWS], [bought, *more])
    return judge(spec, RUN, source, worlds.START + 2 * UNITS * worlds.SECOND)


def ids(found: Judgement) -> Check:
    return next(check for check in found.checks if check.name == "outcome-ids")


def again(of: int, **given: Any) -> dict[str, Any]:
    """A later post under the id of a unit's purchase."""
    at = AT[[of]] + 2 * worlds.SECOND
    return worlds.outcomes("buy", at, id=[f"buy-{of}"], value_number=[5.0], **given)


def test_ids_of_one_unit_each_are_sound_whatever_is_corrected() -> None:
    assert ids(judged()).ok
    assert ids(judged(again(7, unit=[NAMES[7]]))).ok


@pytest.mark.parametrize("by", ["unit", "request_id"])
def test_an_id_that_moves_to_the_other_arm_withholds(by: str) -> None:
    of, other = int(IN["champion"][3]), int(IN["challenger"][3])
    who = NAMES[other] if by == "unit" else f"request-{other}"
    found = judged(again(of, **{by: [who]}))
    assert found.recommendation == "withheld"
    assert found.because == ("outcome-ids",)
    assert found.metric("revenue").verdict.reason == "units of both variants share ids of outcomes"
    assert f"1 id of an outcome is shared by units of both variants (for example 'buy-{of}')" in found.sentence


def test_an_id_that_moves_within_an_arm_is_a_correction() -> None:
    of, other = (int(at) for at in IN["champion"][:2])
    assert ids(judged(again(of, unit=[NAMES[other]]))).ok


def test_ids_are_told_apart_by_outcome() -> None:
    of, other = int(IN["champion"][3]), int(IN["challenger"][3])
    elsewhere = worlds.outcomes("click", AT[[other]], id=[f"buy-{of}"], unit=[NAMES[other]])
    assert ids(judged(elsewhere)).ok


def test_what_arrives_later_is_not_seen_yet() -> None:
    of, other = int(IN["champion"][3]), int(IN["challenger"][3])
    later = again(of, unit=[NAMES[other]]) | {"received_at": np.array([worlds.START + 10**12])}
    assert ids(judged(later)).ok
