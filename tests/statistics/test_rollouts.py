"""Whole releases through the product's own decisions, few of them; ``bench.rollouts`` runs a thousand of each."""

from pathlib import Path

import numpy as np
import pytest

from bench.rollouts import SCENES, Fate, live, lognormal, main, poisson, scene, seeds, several, slower, usual

NAMED = {each.name: each for each in SCENES}


@pytest.mark.parametrize("name", ["identical, light", "identical, heavy tails"])
def test_identical_versions_are_seldom_rolled_back_and_never_rushed_to_command(name: str) -> None:
    """12 releases: with a chance of 5 % each, more than 4 have one of 1 in 6 000."""
    fates = [live(NAMED[name], seed) for seed in seeds(NAMED[name], 12)]
    assert sum(fate.status == "rolled-back" for fate in fates) <= 4
    assert sum(fate.status == "promoted" for fate in fates) <= 4
    assert {fate.status for fate in fates} <= {"rolled-back", "promoted", "inconclusive"}


@pytest.mark.parametrize("name", ["20 % slower", "0.5 % of requests fail"])
def test_a_version_that_hurts_is_caught_in_the_canary(name: str) -> None:
    for seed in seeds(NAMED[name], 6):
        fate = live(NAMED[name], seed)
        assert (fate.status, fate.stage) == ("rolled-back", "canary")
        assert fate.units < 6_000


def test_a_better_version_takes_command_where_its_guardrails_have_margins_that_can_be_told() -> None:
    """And one whose guardrails may be worse by nothing never does: that can never be shown of an equal one."""
    for seed in seeds(NAMED["conversion 10 % better, with margins"], 4):
        fate = live(NAMED["conversion 10 % better, with margins"], seed)
        assert (fate.status, fate.stage, fate.better) == ("promoted", "test", True)
        fate = live(NAMED["conversion 10 % better, margins 0"], seed)
        assert (fate.status, fate.better) == ("inconclusive", True)


def test_a_release_is_the_same_again_from_its_seed() -> None:
    made_up = NAMED["0.5 % of requests fail"]
    assert live(made_up, 7) == live(made_up, 7)
    assert usual(made_up, 7, 1.2) == usual(made_up, 7, 1.2)


def test_draws_have_the_means_that_they_say() -> None:
    rng = np.random.default_rng(1)
    for draw, mean in ((poisson(3.0), 3.0), (lognormal(1.0), 1.0), (lognormal(1.0, 0.05), 0.05)):
        found = draw(rng, 200_000)
        assert found.n == 200_000
        assert abs(found.mean - mean) < 5 * found.standard_error  # type: ignore[union-attr]
    pairs = several(slower(1.0))(rng, 100_000)
    assert abs(pairs.mean_x / pairs.mean_y - 0.01) < 0.001  # type: ignore[union-attr]
    assert slower(1.2) > 2 * slower(1.0)


def test_a_canary_of_thresholds_sees_no_conversion() -> None:
    same, worse = scene("a"), scene("b", worse=0.1)
    assert usual(same, 3, 1.5) == usual(worse, 3, 1.5)


def test_fates_are_kept_and_not_made_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "fates.jsonl"
    asked = ["--worlds", "2", "--processes", "1", "--only", "fail", "--keep", str(file)]
    main(asked)
    first = file.read_text()
    assert len(first.splitlines()) == 2
    main(asked)
    assert file.read_text() == first
    assert "| 0.5 % of requests fail | 2 | 100.0%" in capsys.readouterr().out
    assert Fate("promoted", 1, "test", True).better
