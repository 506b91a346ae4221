"""``seatrial power``: units and days by flags and by the past, against statsmodels; and the inverse."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.power import NormalIndPower

from seatrial.analysis.judging import judge
from seatrial.analysis.power import need, visible
from seatrial.analysis.power_past import Past
from seatrial.cli.app import run
from seatrial.experiments.forecast import standard_error
from seatrial.stats import Effect, Moments, Question, judge_primary
from seatrial.stats.contrast import Margin
from seatrial.stats.power import Design, plan_group_sequential
from seatrial.stats.share_power import Claim, plan_shares
from seatrial.stats.spending import Spending

ORACLE = NormalIndPower()


def asked(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    assert run(["power", *words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def oracle(size: float, alpha: float = 0.05, power: float = 0.8, ratio: float = 1.0) -> float:
    """Units of both arms for a standardised difference of means."""
    one = ORACLE.solve_power(effect_size=size, alpha=alpha, power=power, ratio=ratio, alternative="two-sided")
    return float(one) * (1 + ratio)


def test_a_mean_takes_what_statsmodels_says(capsys: pytest.CaptureFixture[str]) -> None:
    found = asked(capsys, "--mean", "20", "--sd", "35", "--effect", "relative:5%", "--units-a-day", "1000")
    (needed,) = found["needs"]
    assert needed["fixed"] == pytest.approx(oracle(1 / 35), rel=1e-3)
    assert needed["fixed_days"] == pytest.approx(needed["fixed"] / 1000, rel=1e-9)
    assert needed["always_valid"] > 1.5 * needed["fixed"]
    unequal = asked(capsys, "--mean", "20", "--sd", "35", "--effect", "relative:5%", "--share", "20%")["needs"][0]
    assert unequal["fixed"] == pytest.approx(oracle(1 / 35, ratio=4.0), rel=1e-3)


def test_guardrails_take_power_and_no_alpha(capsys: pytest.CaptureFixture[str]) -> None:
    """Schultzberg, Ankargren, Frånberg (2024): of the chance to miss, each question gets its equal part."""
    asked_so = ("--mean", "20", "--sd", "35", "--guardrails", "3")
    found = asked(capsys, *asked_so, "--effect", "relative:5%")
    assert found["needs"][0]["fixed"] == pytest.approx(oracle(1 / 35, power=0.95), rel=1e-3)
    assert (
        "power 0.95 for each question, so that the primary and all 3 guardrails hold together with 0.8"
        in (found["design"])
    )
    margin = asked(capsys, *asked_so, "--margin", "absolute:1")["needs"][0]
    one = ORACLE.solve_power(effect_size=1 / 35, alpha=0.05, power=0.95, alternative="larger")
    assert margin["fixed"] == pytest.approx(2 * one, rel=1e-3)
    inverse = asked(capsys, *asked_so, "--units", str(found["needs"][0]["fixed"]))["needs"][0]
    assert inverse["effect"] == pytest.approx(1.0, rel=1e-4)


def test_several_treatments_share_alpha_and_units(capsys: pytest.CaptureFixture[str]) -> None:
    found = asked(capsys, "--mean", "20", "--sd", "35", "--effect", "relative:5%", "--treatments", "3")["needs"][0]
    two = oracle(1 / 35, alpha=0.05 / 3)
    assert found["fixed"] == pytest.approx(2 * two, rel=1e-3)


def test_non_inferiority_is_one_sided(capsys: pytest.CaptureFixture[str]) -> None:
    found = asked(capsys, "--mean", "20", "--sd", "35", "--margin", "absolute:1")["needs"][0]
    one = ORACLE.solve_power(effect_size=1 / 35, alpha=0.05, power=0.8, alternative="larger")
    assert found["goal"] == "non-inferior"
    assert found["fixed"] == pytest.approx(2 * one, rel=1e-3)


def test_covariates_take_their_part_off(capsys: pytest.CaptureFixture[str]) -> None:
    plain = asked(capsys, "--mean", "20", "--sd", "35", "--effect", "absolute:1")["needs"][0]["fixed"]
    less = asked(capsys, "--mean", "20", "--sd", "35", "--effect", "absolute:1", "--correlation", "0.6")["needs"][0]
    assert less["fixed"] == pytest.approx(plain * (1 - 0.36), rel=1e-3)


@settings(deadline=None, max_examples=30)
@given(st.floats(0.001, 0.5), st.floats(0.02, 0.5), st.sampled_from([0.5, 0.1]))
def test_the_inverse_takes_back_what_the_need_said(baseline: float, relative: float, share: float) -> None:
    past = Past(metric="x", kind="proportion", mean=baseline, sd=math.sqrt(baseline * (1 - baseline)))
    design = Design(share=share)
    units = need(past, Margin("relative", relative), design).fixed
    assert units is not None
    assert visible(past, units, design).effect == pytest.approx(relative * baseline, rel=0.01)


def test_the_past_says_mean_spread_gain_and_traffic(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(2)
    n = 7000
    prior = rng.normal(10, 3, n)
    past = pd.DataFrame(
        {
            "unit": np.arange(n),
            "variant": "control",
            "at": pd.Timestamp("2026-03-02", tz="UTC") + pd.to_timedelta(np.linspace(0, 7, n), unit="D"),
            "prior": prior,
            "spent": prior + rng.normal(0, 4, n),
        }
    )
    past.to_parquet("past.parquet")
    words = ["--data", "past.parquet", "--effect", "relative:1%"]
    found = asked(capsys, *words, "--metric", "spent=mean:spent,covariate=prior")
    (known,) = found["past"]
    assert known["mean"] == pytest.approx(past["spent"].mean())
    assert known["sd"] == pytest.approx(past["spent"].std())
    assert known["correlation"] == pytest.approx(np.corrcoef(past["spent"], prior)[0, 1], rel=1e-9)
    assert known["units_a_day"] == pytest.approx(1000)
    size = 0.01 * past["spent"].mean() / past["spent"].std() / math.sqrt(1 - known["correlation"] ** 2)
    assert found["needs"][0]["fixed"] == pytest.approx(oracle(size), rel=1e-3)
    assert run(["power", *words, "--metric", "spent=mean:spent", "--html", "page.html"]) == 0
    told = capsys.readouterr().out
    assert "7 000 units of 'control'" in told
    assert "1 000 units come a day" in told
    assert "vega" in Path("page.html").read_text()
    seen = asked(capsys, "--data", "past.parquet", "--metric", "spent=mean:spent", "--days", "14d")["needs"]
    assert seen[0]["fixed"] == pytest.approx(14000, rel=1e-3)
    assert seen[0]["effect"] < seen[1]["effect"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "say what there is now"),
        (["--baseline", "10%"], "say what is to be shown"),
        (["--baseline", "0.1", "--effect", "relative:2%"], "a share is written with a percent sign"),
        (["--baseline", "0%", "--effect", "relative:2%"], "no share between"),
        (["--baseline", "10%", "--effect", "2%"], "write `relative:2%`"),
        (["--baseline", "10%", "--effect", "relative:0%"], "a difference of 0"),
        (["--baseline", "95%", "--effect", "relative:10%"], "would pass 1"),
        (["--baseline", "10%", "--effect", "relative:2%", "--margin", "relative:1%"], "say what is to be shown"),
        (["--baseline", "10%", "--effect", "relative:2%", "--units", "500"], "leave --effect and --margin out"),
        (["--baseline", "10%", "--days", "14d"], "needs the traffic"),
        (["--mean", "3", "--effect", "relative:2%"], "say what there is now"),
        (["--baseline", "10%", "--effect", "relative:2%", "--share", "50%", "--treatments", "2"], "no units"),
        (["churn", "--baseline", "10%"], "give one of the two"),
        (["--by", "2026-12-24"], "name its deployment"),
        (["--data", "nowhere.parquet", "--metric", "x=mean:x", "--effect", "relative:2%"], "there is no file"),
    ],
)
def test_bad_usage_ends_with_two(words: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["power", *words]) == 2
    assert says in capsys.readouterr().err.replace("\n", " ")


def test_the_standard_error_behind_a_sequence_is_read_back() -> None:
    rng = np.random.default_rng(1)
    effect = Effect.of_means(Moments.from_values(rng.normal(1, 2, 900)), Moments.from_values(rng.normal(0, 2, 1100)))
    for want in ("higher", "lower"):
        asked_ = Question(metric="x", want=want, alpha_worse=0.02)  # type: ignore[arg-type]
        assert standard_error(judge_primary(effect, asked_), 5000) == pytest.approx(effect.se, rel=1e-9)
        assert standard_error(judge_primary(effect, asked_, method="fixed"), 5000) is None


@pytest.mark.parametrize("spending", ["obrien-fleming", "pocock"])
@pytest.mark.parametrize("looks", [2, 5])
def test_planned_looks_take_what_the_plan_of_means_takes(
    capsys: pytest.CaptureFixture[str], looks: int, spending: Any
) -> None:
    words = ("--mean", "20", "--sd", "35", "--effect", "absolute:1", "--units-a-day", "1000")
    found = asked(capsys, *words, "--looks", str(looks), "--spending", spending)
    (needed,) = found["needs"]
    shares = [look / looks for look in range(1, looks + 1)]
    whole = plan_group_sequential(1.0, 35.0, shares, Spending(spending))
    assert needed["group_sequential"] == pytest.approx(whole, abs=2)
    assert needed["group_sequential_days"] == needed["group_sequential"] / 1000
    assert needed["fixed"] < needed["group_sequential"] < needed["always_valid"]
    assert all(one["group_sequential"] is not None for one in found["curve"])


def test_five_looks_cost_the_published_inflation_of_a_share_too(capsys: pytest.CaptureFixture[str]) -> None:
    """Jennison and Turnbull (2000), five looks of Pocock: 1.229, of O'Brien and Fleming: 1.028."""
    for spending, published in (("obrien-fleming", 1.028), ("pocock", 1.229)):
        words = ("--baseline", "10%", "--effect", "relative:5%", "--looks", "5", "--spending", spending)
        (needed,) = asked(capsys, *words)["needs"]
        assert needed["group_sequential"] / needed["fixed"] == pytest.approx(published, abs=0.02)


def test_the_inverse_of_planned_looks_takes_back_what_they_need(capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--mean", "20", "--sd", "35", "--looks", "4")
    (needed,) = asked(capsys, *words, "--effect", "absolute:1")["needs"]
    found = asked(capsys, *words, "--units", str(needed["group_sequential"]))["needs"]
    in_looks = next(one for one in found if one["group_sequential"] is not None)
    assert in_looks["effect"] == pytest.approx(1.0, rel=1e-3)
    assert in_looks["fixed"] is None


def test_a_margin_is_watched_at_any_time_and_has_no_planned_looks(capsys: pytest.CaptureFixture[str]) -> None:
    (needed,) = asked(capsys, "--mean", "20", "--sd", "35", "--margin", "absolute:1", "--looks", "4")["needs"]
    assert needed["group_sequential"] is None


@pytest.mark.parametrize(("name", "begins"), [("curve.svg", b"<svg"), ("curve.png", b"\x89PNG")])
def test_the_curve_is_drawn_as_a_picture(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, begins: bytes
) -> None:
    file = tmp_path / name
    asked(capsys, "--baseline", "10%", "--effect", "relative:5%", "--looks", "3", "--picture", str(file))
    drawn = file.read_bytes()
    assert drawn.startswith(begins)
    if name.endswith("svg"):
        assert all(how in drawn.decode() for how in ("at one planned look", "at planned looks", "looking at any time"))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--effect", "relative:5%", "--looks", "1"), "1 planned looks are none: give 2 to 50"),
        (("--effect", "relative:5%", "--picture", "curve.pdf"), "'curve.pdf' is no picture that can be drawn"),
        (("--units", "5000", "--picture", "curve.svg"), "the inverse has no curve to draw"),
    ],
)
def test_what_cannot_be_looked_at_or_drawn_is_refused(
    capsys: pytest.CaptureFixture[str], words: tuple[str, ...], said: str
) -> None:
    assert run(["power", "--baseline", "10%", *words]) == 2
    assert said in capsys.readouterr().err


def test_units_without_a_value_come_too_and_take_their_days(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(1)
    n = 7000
    frame = pd.DataFrame({"unit": np.arange(n), "variant": "control", "x": rng.normal(0, 1, n)})
    frame["at"] = pd.Timestamp("2026-03-02", tz="UTC") + pd.to_timedelta(np.linspace(0, 7, n), unit="D")
    words = ("--data", str(tmp_path / "past.parquet"), "--metric", "x=mean:x", "--effect", "absolute:0.1")
    frame.to_parquet(tmp_path / "past.parquet")
    all_known = asked(capsys, *words)["needs"][0]
    frame["x"] = frame["x"].where(np.arange(n) % 10 == 0)
    frame.to_parquet(tmp_path / "past.parquet")
    found = asked(capsys, *words)
    tenth = found["needs"][0]
    assert found["past"][0]["counted"] == pytest.approx(0.1)
    assert tenth["fixed"] == pytest.approx(all_known["fixed"], rel=0.15)
    assert tenth["fixed_days"] == pytest.approx(tenth["fixed"] / 100, rel=0.01)
    days = f"{tenth['fixed_days']:.6f}d"
    back = asked(capsys, *words[:4], "--days", days)["needs"][0]
    assert back["effect"] == pytest.approx(0.1, rel=1e-3)
    assert run(["power", *words]) == 0
    assert "0.1 of them have a value, and only those count below" in capsys.readouterr().out


def shops(seed: int, shops: int, per: int, effect: float = 0.0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    shop = np.repeat(np.arange(shops), per)
    variant = np.where(rng.permutation(shops) % 2 == 0, "control", "new")[shop]
    x = 10 + 3 * rng.normal(0, 1, shops)[shop] + rng.normal(0, 4.6, len(shop)) + effect * (variant == "new")
    return pd.DataFrame({"unit": np.arange(len(shop)), "variant": variant, "shop": shop, "x": x, "hit": x > 10})


@pytest.mark.simulation
def test_what_is_told_by_cluster_is_what_judging_by_cluster_takes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shops(0, 600, 20).to_parquet(tmp_path / "past.parquet")
    words = ("--data", str(tmp_path / "past.parquet"), "--metric", "x=mean:x", "--cluster", "shop")
    found = asked(capsys, *words, "--effect", "absolute:1")["needs"][0]
    sd = math.sqrt(9 + 4.6**2 / 20)
    assert (found["what"], found["fixed_days"]) == ("cluster", None)
    assert found["fixed"] == pytest.approx(oracle(1 / sd), rel=0.15)
    worlds = 60
    hits = sum(
        judge(shops(seed, found["fixed"], 20, 1.0), metrics={"x": "mean:x"}, cluster="shop")
        .comparisons[0].primary.verdict.word == "better"
        for seed in range(1, worlds + 1)
    )  # fmt: skip
    assert 0.8 - 3 * (0.16 / worlds) ** 0.5 <= hits / worlds <= 0.99


def test_a_share_by_cluster_spreads_as_its_clusters_do_and_takes_a_hundred_of_each(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    frame = shops(0, 600, 20)
    frame.to_parquet(tmp_path / "past.parquet")
    words = ("--data", str(tmp_path / "past.parquet"), "--metric", "h=proportion:hit", "--cluster", "shop")
    found = asked(capsys, *words, "--effect", "absolute:5%")
    chosen = frame[frame.variant == "control"].groupby("shop")["hit"].mean()
    assert found["past"][0]["sd"] == pytest.approx(chosen.std(), rel=1e-6)
    assert found["needs"][0]["fixed"] == pytest.approx(oracle(0.05 / chosen.std()), rel=0.01)
    assert asked(capsys, *words, "--effect", "absolute:30%")["needs"][0]["fixed"] == 200
    assert asked(capsys, *words, "--effect", "absolute:30%", "--share", "10%")["needs"][0]["fixed"] == 1000
    assert run(["power", *words, "--units", "150"]) == 2
    assert "150 clusters show nothing on 'h': 100 of each variant are the least, here 200" in capsys.readouterr().err
    assert run(["power", *words, "--effect", "absolute:5%"]) == 0
    assert "clusters at one planned look" in capsys.readouterr().out
    assert run(["power", "--baseline", "10%", "--effect", "relative:5%", "--cluster", "shop"]) == 2


def test_a_margin_on_a_rare_share_takes_what_the_judge_needs_below_ten_events(
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = ("--baseline", "0.1%", "--margin", "absolute:1%")
    (needed,) = asked(capsys, *words)["needs"]
    plan = plan_shares(Claim.of_margin(0.001, Margin("absolute", 0.01), "lower"), Design(sides=1))
    assert (needed["fixed"], needed["always_valid"]) == plan
    assert needed["fixed"] > 700  # the formula of many events says 248, with which nothing is ever shown
    one_way, other_way = (
        plan_shares(Claim.of_margin(0.001, Margin("absolute", 0.01), want), Design(share=0.2, sides=1))
        for want in ("lower", "higher")
    )
    (needed,) = asked(capsys, *words, "--share", "20%")["needs"]
    assert needed["fixed"] == max(one_way.fixed, other_way.fixed)
    assert run(["power", "--baseline", "0.1%", "--margin", "absolute:0%"]) == 2
    assert "must be above 0" in capsys.readouterr().err


@pytest.mark.simulation
def test_a_quantile_and_a_mean_within_a_range_take_what_the_judge_takes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def exposures(seed: int, n: int, effect: float = 0.0) -> pd.DataFrame:
        rng = np.random.default_rng(seed)
        frame = pd.DataFrame({"unit": np.arange(n), "variant": np.where(rng.random(n) < 0.5, "control", "new")})
        frame["at"] = pd.Timestamp("2026-03-02", tz="UTC") + pd.to_timedelta(np.linspace(0, 7, n), unit="D")
        frame["x"] = rng.beta(2, 5, n) + effect * (frame["variant"] == "new")
        return frame

    file = str(tmp_path / "past.parquet")
    exposures(0, 40_000).to_parquet(file)
    for metric, effect in (("x=quantile:x,q=90%", 0.03), ("x=mean:x,range=0..2", 0.02)):
        words = ("--data", file, "--metric", metric, "--control", "control")
        found = asked(capsys, *words, "--effect", f"absolute:{effect}")
        (needed,) = found["needs"]
        assert needed["fixed"] < needed["always_valid"]
        assert needed["always_valid_days"] == pytest.approx(needed["always_valid"] / (40_000 / 7), rel=1e-3)
        assert found["curve"]
        worlds, better = 40, 0
        for seed in range(1, worlds + 1):
            data = exposures(seed, needed["always_valid"], effect)
            judged = judge(data, metrics={"x": metric.removeprefix("x=")}, method="always-valid")
            better += judged.comparisons[0].primary.verdict.word == "better"
        assert better / worlds == pytest.approx(0.8, abs=0.05 + 3 * (0.16 / worlds) ** 0.5)
        back = asked(capsys, *words, "--units", str(needed["always_valid"]))["needs"]
        assert back[-1]["effect"] == pytest.approx(effect, rel=0.03)
        margin = asked(capsys, *words, "--margin", f"absolute:{effect}")["needs"][0]
        held = asked(capsys, *words, "--units", str(margin["always_valid"]), "--margin", "smallest")["needs"]
        assert (held[-1]["goal"], held[-1]["effect"]) == ("non-inferior", pytest.approx(effect, rel=0.03))
    assert run(["power", *words[:2], "--metric", "x=quantile:x,q=90%", "--effect", "absolute:0.03"]) == 0
    assert "with a standard error of" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "margin"),
    [
        (("--mean", "20", "--sd", "35"), 1.0),
        (("--baseline", "10%"), 0.01),
        (("--baseline", "0.1%"), 0.01),
    ],
)
def test_which_margin_so_many_units_hold_takes_back_what_a_margin_needs(
    words: tuple[str, ...], margin: float, capsys: pytest.CaptureFixture[str]
) -> None:
    written = f"absolute:{margin}" if "--mean" in words else f"absolute:{100 * margin:g}%"
    (needed,) = asked(capsys, *words, "--margin", written)["needs"]
    for which, way in ((0, "fixed"), (-1, "always_valid")):
        found = asked(capsys, *words, "--units", str(needed[way]), "--margin", "smallest")["needs"][which]
        assert found["goal"] == "non-inferior"
        assert found[way] == needed[way]
        assert found["effect"] == pytest.approx(margin, rel=0.03) or found["effect"] < margin < 1.1 * found["effect"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--margin", "smallest"), "--margin smallest asks which margin is held by --units or --days"),
        (("--units", "500", "--margin", "relative:1%"), "with --margin smallest which margin can be held"),
    ],
)
def test_the_smallest_margin_is_asked_of_units(
    words: tuple[str, ...], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["power", "--baseline", "10%", *words]) == 2
    assert says in capsys.readouterr().err.replace("\n", " ")


def written_past(path: Path) -> str:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"unit": np.arange(2000), "variant": "control", "y": rng.lognormal(0, 1, 2000)})
    frame.to_parquet(path)
    return str(path)


def test_ranks_are_planned_from_past_values_for_one_look(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--data", written_past(tmp_path / "past.parquet"), "--metric", "y=mean:y,compare=ranks")
    (added,) = asked(capsys, *words, "--effect", "absolute:0.0792", "--looks", "3")["needs"]
    assert added["fixed"] == pytest.approx(3190, rel=0.1)  # means take 18 000: Mann-Whitney had 69 % with 2 500
    assert (added["always_valid"], added["group_sequential"]) == (None, None)
    (scaled,) = asked(capsys, *words, "--effect", "relative:5%")["needs"]
    assert scaled["fixed"] == pytest.approx(13_700, rel=0.1)
    (back,) = asked(capsys, *words, "--units", str(added["fixed"]), "--looks", "3")["needs"]
    assert back["effect"] == pytest.approx(0.0792, rel=0.03)
    assert run(["power", *words, "--effect", "relative:5%"]) == 0
    told = capsys.readouterr().out
    assert "compared by ranks, which hold for one planned look and no other way of looking" in told
    assert "as a factor on every value, takes" in told
    assert run(["power", *words, "--effect", "relative:5%", "--correlation", "0.5"]) == 2
    assert "takes no covariate" in capsys.readouterr().err


def test_planned_looks_need_what_the_judge_needs(capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--mean", "10", "--sd", "1", "--looks", "5")
    (needed,) = asked(capsys, *words, "--effect", "absolute:1.5")["needs"]
    assert (needed["fixed"], needed["group_sequential"], needed["always_valid"]) == (18, 200, 200)
    found = asked(capsys, *words, "--units", "150")["needs"]
    assert [one["fixed"] for one in found] == [150]


def test_a_covariate_that_is_the_metric_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--data", written_past(tmp_path / "past.parquet"), "--effect", "relative:5%")
    assert run(["power", *words, "--metric", "y=mean:y,covariate=y"]) == 2
    assert "the covariates explain all of 'y'" in capsys.readouterr().err.replace("\n", " ")


def test_the_past_is_that_of_the_control_and_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    past = pd.DataFrame({"unit": range(1000), "variant": ["new"] * 510 + ["control"] * 490})
    past["bought"] = (past.unit % 5 == 0) | (past.variant == "new")
    past.to_csv(tmp_path / "past.csv", index=False)
    words = ["--data", str(tmp_path / "past.csv"), "--metric", "bought=proportion:bought", "--effect", "relative:10%"]
    (known,) = asked(capsys, *words)["past"]
    assert (known["variant"], known["units"]) == ("control", 490)
    assert known["mean"] == pytest.approx(past.bought[510:].mean())
