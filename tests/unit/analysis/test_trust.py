"""Checks of trust at their ends: the strongest evidence there can be must not read as none."""

import numpy as np
import pandas as pd
import pytest

from seatrial.analysis import trust
from seatrial.analysis.judging import judge
from seatrial.analysis.verdicts import Analysis, Check
from seatrial.spec.errors import BadInput

N = 40_000


def check(found: Analysis, name: str) -> Check:
    return next(one for one in found.checks if one.name == name)


def units(seed: int = 1, n: int = N) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    variant = np.where(rng.random(n) < 0.5, "control", "new")
    return pd.DataFrame({"unit": np.arange(n), "variant": variant, "x": rng.normal(10, 3, n)})


@pytest.mark.parametrize("lost", [0.03, 0.5])
def test_the_more_values_one_arm_lacks_the_surer_it_withholds(lost: float) -> None:
    given = units()
    gone = (given["variant"] == "new") & (np.random.default_rng(2).random(N) < lost) & (given["x"] < 11)
    found = judge(given.assign(x=given["x"].mask(gone)), metrics={"x": "mean:x"})
    assert not check(found, "label-coverage").ok
    assert found.comparisons[0].recommendation == "withheld"


@pytest.mark.parametrize("shift", [0.3, 3.0])
def test_the_further_the_variant_moved_a_covariate_the_surer_it_is_not_adjusted_for(shift: float) -> None:
    given = units()
    before = given["x"] + shift * (given["variant"] == "new")
    given = given.assign(before=before, x=before + np.random.default_rng(3).normal(0, 1, N))
    found = judge(given, metrics={"x": "mean:x,covariate=before"})
    primary = found.comparisons[0].primary
    assert not check(found, "covariates").ok
    assert primary.covariates == ()
    assert primary.verdict.effect == pytest.approx(shift, abs=0.1)


def test_a_covariate_that_is_the_variant_is_refused_and_a_constant_one_takes_nothing_off() -> None:
    given = units(n=2000)
    itself = judge(given.assign(z=(given["variant"] == "new") * 1.0), metrics={"x": "mean:x,covariate=z"})
    assert check(itself, "covariates").value == 0.0
    assert itself.comparisons[0].primary.covariates == ()
    constant = judge(given.assign(z=0.1), metrics={"x": "mean:x,covariate=z"})
    plain = judge(given, metrics={"x": "mean:x"})
    assert check(constant, "covariates").ok
    assert constant.comparisons[0].primary.verdict.lower == pytest.approx(plain.comparisons[0].primary.verdict.lower)
    with pytest.raises(BadInput, match="'variant' is the variant itself"):
        judge(given.assign(variant=(given["variant"] == "new") * 1), metrics={"x": "mean:x,covariate=variant"},
              control="0")  # fmt: skip


def test_evidence_of_nothing_and_of_anything_have_their_value() -> None:
    half = {"": {"a": 0.5, "b": 0.5}}
    even = trust.check_sample_ratio({"": {"a": 0, "b": 0}}, half, "always-valid", stated=True)
    assert (even.ok, even.value) == (True, 1.0)
    broken = trust.check_sample_ratio({"": {"a": 9000, "b": 10}}, half, "always-valid", stated=True)
    assert (broken.ok, broken.value) == (False, pytest.approx(0.0))
