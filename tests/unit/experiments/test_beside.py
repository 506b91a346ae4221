"""What stands beside a release's verdicts, wherever it is shown: the posterior's losses, how bands may be read."""

from typing import Any

import msgspec
import numpy as np
import pytest
from scipy import stats as oracle

from seatrial.analysis.release_page import release_page
from seatrial.cli.releases import tell
from seatrial.experiments.beside import bands, beside
from seatrial.experiments.judge import judge
from seatrial.experiments.judgement import Judgement
from seatrial.releases.plan import Plan
from tests import worlds

SECOND = worlds.SECOND
UNITS = 4000


def judged(after: float = 110.0, alpha: float = 0.05, **plan: Any) -> Judgement:
    deployment = worlds.deployment(
        outcomes={"buy": {}},
        metrics={"conversion": {"kind": "proportion", "outcome": "buy", "within": 20.0, "grace": 5.0}},
        release={
            "of": "challenger",
            "into": "everybody",
            "stages": [{"kind": "test"}],
            "primary": {"metric": "conversion", "minimum_effect": {"absolute": 0.01}},
            "guardrails": {"errors": {"absolute": 0.05}},
        },
    )
    run = msgspec.structs.replace(worlds.release((0.5, 0.0)), plan=Plan(**plan), alpha=alpha)
    at = worlds.START + np.arange(UNITS) * SECOND // 50
    units = worlds.unit_names(UNITS)
    bought = np.flatnonzero(np.random.default_rng(1).random(UNITS) < 0.1)
    source = worlds.source(
        [worlds.rows(run, units, at)],
        [worlds.outcomes("buy", at[bought] + SECOND, unit=[units[i] for i in bought])],
    )
    return judge(deployment, run, source, worlds.START + round(after * SECOND))


@pytest.mark.parametrize(
    ("plan", "says"),
    [
        ({"name": "always-valid"}, ["Each band holds at every look together: it may be read at any time."]),
        ({"name": "fixed", "units": 1000}, ["The band of conversion holds for one look, at the planned end"]),
        ({"name": "bayes"}, ["The band of conversion is of a posterior: it holds no error rate"]),
        (
            {"name": "group-sequential", "units": 4000, "looks": 4},
            ["The band of conversion holds at the planned looks", "The band of errors holds at every look together"],
        ),
    ],
)
def test_a_page_says_how_its_bands_may_be_read_by_the_method_that_made_them(
    plan: dict[str, Any], says: list[str]
) -> None:
    now, before = judged(**plan), judged(90.0, **plan)
    page = release_page(now, [before], ())
    assert all(one in page for one in says)
    assert ("Each band holds at every look" in page) == (plan["name"] == "always-valid")
    assert bands([m for m in now.metrics if m.part != "secondary"])[0].startswith(says[0])


def test_the_loss_of_each_choice_is_shown_with_the_sentence_that_no_error_rate_is_held(
    capsys: pytest.CaptureFixture[str],
) -> None:
    now = judged()
    found = now.metric("conversion").bayesian
    assert found is not None
    (said,) = beside(now)
    losses = f"challenger {100 * found.loss_treatment:.2g} points, champion {100 * found.loss_control:.2g} points"
    assert f"Expected loss of choosing: {losses}. " in said
    assert said.endswith("it holds no error rate, and stopping on it does not hold alpha.")
    tell(now)
    assert said in capsys.readouterr().out
    assert "Expected loss of choosing" in release_page(now, [], ())
    assert "Expected loss of choosing" in now._repr_html_()


def test_its_interval_is_at_the_release_s_own_alpha() -> None:
    narrow, wide = (judged(alpha=alpha).metric("conversion").bayesian for alpha in (0.2, 0.05))
    assert narrow is not None
    assert wide is not None
    ratio = (narrow.upper - narrow.lower) / (wide.upper - wide.lower)
    assert ratio == pytest.approx(oracle.norm.ppf(0.9) / oracle.norm.ppf(0.975), rel=0.01)
    assert "(80% credible)" in beside(judged(alpha=0.2))[0]
