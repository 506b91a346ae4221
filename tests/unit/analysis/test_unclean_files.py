"""Files as they come: holes, ids of another type, days for times, rows that stand twice. Judged right, or refused."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from seatrial.analysis.deciding import exit_code
from seatrial.analysis.judging import judge
from seatrial.analysis.verdicts import Analysis, Check
from seatrial.spec.errors import BadInput, NoData

START = pd.Timestamp("2026-03-02", tz="UTC")
DAY = pd.Timedelta(days=1)
N = 2000


def exposed(units: int = N) -> pd.DataFrame:
    n = np.arange(units)
    variant = np.where(n % 2 == 0, "control", "new")
    return pd.DataFrame({"unit": n, "variant": variant, "at": START + pd.to_timedelta(n, unit="min")})


def bought(units: pd.DataFrame, seed: int = 1, effect: float = 0.0) -> pd.DataFrame:
    """Every unit's purchase a quarter of an hour after its exposure."""
    value = np.random.default_rng(seed).normal(100, 30, len(units)) + effect * (units["variant"] == "new")
    at = units["at"] + pd.Timedelta(minutes=15)
    return pd.DataFrame({"unit": units["unit"], "outcome": "purchase", "at": at, "value": value})


def check(found: Analysis, name: str) -> Check:
    return next(c for c in found.checks if c.name == name)


@pytest.mark.parametrize("timed", [True, False])
def test_a_covariate_that_a_first_exposure_lacks_is_not_taken_from_a_later_one(timed: bool) -> None:
    units = exposed()
    after = bought(units, effect=2.0)
    later = units.assign(at=units["at"] + DAY, prior=after["value"] + np.random.default_rng(2).normal(0, 1, N))
    seen = pd.concat([units.assign(prior=np.nan), later], ignore_index=True)
    metrics = {"adjusted": "mean:purchase,covariate=prior", "raw": "mean:purchase"}
    if not timed:
        seen, after = seen.drop(columns="at"), after.drop(columns="at")
    comparison = judge(seen, after, metrics=metrics).comparisons[0]
    adjusted, raw = (comparison.metric(name).verdict for name in metrics)
    means = after["value"].groupby(units["variant"]).mean()
    assert raw.effect == pytest.approx(means["new"] - means["control"], rel=1e-9)
    assert adjusted.effect == pytest.approx(raw.effect, rel=1e-9)


def test_a_covariate_of_some_first_exposures_is_that_of_these_alone() -> None:
    units = exposed()
    after = bought(units)
    prior = after["value"] + np.random.default_rng(2).normal(0, 10, N)
    first = units.assign(prior=prior.where(units.index % 4 < 2))
    later = units.assign(at=units["at"] + DAY, prior=prior * 1000)
    both = judge(pd.concat([first, later]), after, metrics={"spent": "mean:purchase,covariate=prior"})
    once = judge(first, after, metrics={"spent": "mean:purchase,covariate=prior"})
    ours, theirs = (f.comparisons[0].primary for f in (both, once))
    assert ours.variance_ratio == pytest.approx(theirs.variance_ratio, rel=1e-9)
    assert ours.verdict.effect == pytest.approx(theirs.verdict.effect, rel=1e-9)
    assert theirs.variance_ratio is not None
    assert theirs.variance_ratio < 0.7


def test_a_segment_that_a_first_exposure_lacks_is_none() -> None:
    units = exposed()
    later = units.assign(at=units["at"] + DAY, country="fi")
    found = judge(
        pd.concat([units.assign(country=None), later]),
        bought(units),
        metrics={"spent": "mean:purchase"},
        segments=("country",),
    )
    assert [s.name for s in found.comparisons[0].primary.segments["country"].segments] == ["none"]


_METRICS = {"bought": "proportion:purchase", "spent": "mean:purchase"}


def _third(units: pd.DataFrame) -> pd.DataFrame:
    return bought(units)[lambda rows: rows["unit"] % 3 == 0]


def _as_csv(rows: pd.DataFrame, path: Path) -> Path:
    rows.to_csv(path, index=False)
    return path


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("int64", "float64"),
        ("float64", "int32"),
        ("int64", "str"),
        ("str", "float64"),
        ("float32", "int64"),
        ("category", "str"),
        ("int64", "category"),
    ],
)
@pytest.mark.parametrize("suffix", ["", "csv"])
def test_units_of_another_type_are_the_same_units(tmp_path: Path, one: str, other: str, suffix: str) -> None:
    def typed(rows: pd.DataFrame, kind: str) -> pd.DataFrame:
        units = rows["unit"].astype("str").astype("category") if kind == "category" else rows["unit"].astype(kind)
        return rows.assign(unit=units)

    units = exposed()
    seen, after = typed(units, one), typed(_third(units), other)
    if suffix:
        seen, after = _as_csv(seen, tmp_path / "a.csv"), _as_csv(after, tmp_path / "b.csv")  # type: ignore[assignment]
    found = judge(seen, after, metrics=_METRICS)
    plain = judge(units, _third(units), metrics=_METRICS)
    for ours, theirs in zip(found.comparisons[0].metrics, plain.comparisons[0].metrics, strict=True):
        assert ours.verdict.control_mean == pytest.approx(theirs.verdict.control_mean, rel=1e-12)
        assert ours.verdict.effect == pytest.approx(theirs.verdict.effect, rel=1e-9)
        assert ours.verdict.control_mean > 0.3
    assert check(found, "unexposed-outcomes").sentence == "Every outcome is of a unit that was exposed."


def test_zeros_that_ids_begin_with_are_kept_where_the_other_file_has_text(tmp_path: Path) -> None:
    units = exposed().assign(unit=[f"{n:05d}" for n in range(N)])
    guest = bought(units)[:1].assign(unit="guest-1")
    after = pd.concat([bought(units)[::3], guest])
    found = judge(_as_csv(units, tmp_path / "a.csv"), _as_csv(after, tmp_path / "b.csv"), metrics=_METRICS)
    assert found.comparisons[0].primary.verdict.control_mean == pytest.approx(1 / 3, abs=1e-3)
    assert check(found, "unexposed-outcomes").sentence.endswith("purchase 0.1% of 668.")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda after: after.assign(unit=after["unit"] + 0.5), "row 1 of outcomes has the unit 0.5, a DOUBLE"),
        (lambda after: after.assign(unit=after["unit"] + 1e17), r"row 1 of outcomes has the unit 1e\+17"),
        (lambda after: after.assign(unit=after["unit"].map("{:04d}".format)), "row 1 of outcomes has the unit '0000'"),
        (lambda after: after.assign(unit=after["unit"].astype(float).astype(str)), "the unit '0.0' as text"),
    ],
)
def test_units_that_cannot_be_matched_are_refused_with_their_row(change, says) -> None:  # type: ignore[no-untyped-def]
    units = exposed()
    with pytest.raises(BadInput, match=says):
        judge(units, change(_third(units)), metrics=_METRICS)


def test_outcomes_of_units_that_nobody_exposed_withhold_the_verdict() -> None:
    units = exposed().assign(unit=[f"{n}" for n in range(N)])
    after = _third(exposed()).assign(unit=lambda rows: "shop-" + rows["unit"].astype(str))
    found = judge(units, after, metrics=_METRICS)
    assert found.comparisons[0].because == ("unexposed-outcomes",)
    assert found.comparisons[0].primary.verdict.word == "no-data"
    assert "purchase 100.0% of 667; units must be called alike in both files" in found.comparisons[0].sentence


def test_outcomes_of_everybody_beside_a_small_release_do_not() -> None:
    units = exposed()
    everybody = pd.concat([bought(exposed(60 * N)).assign(unit=lambda rows: rows["unit"] + N), _third(units)])
    found = judge(units, everybody, metrics=_METRICS)
    assert check(found, "unexposed-outcomes").ok
    assert "purchase 99.4% of 120 667" in check(found, "unexposed-outcomes").sentence
    assert found.comparisons[0].recommendation != "withheld"


def _holed(after: pd.DataFrame, column: str = "value") -> pd.DataFrame:
    """Three in ten lack the value, in both variants alike."""
    return after.assign(**{column: after[column].where(after["unit"] % 20 // 2 >= 3)})


@pytest.mark.parametrize("column", ["value", "amount"])
@pytest.mark.parametrize("suffix", ["", "csv", "parquet"])
def test_an_empty_value_is_missing_and_no_one(tmp_path: Path, column: str, suffix: str) -> None:
    units = exposed()
    whole = bought(units).rename(columns={"value": column})
    after = _holed(whole, column)
    if suffix:
        path = tmp_path / f"after.{suffix}"
        after.to_csv(path, index=False) if suffix == "csv" else after.to_parquet(path)
        after = path  # type: ignore[assignment]
    what = "purchase" if column == "value" else "purchase.amount"
    found = judge(units, after, metrics={"spent": f"mean:{what}", "bought": f"proportion:{what}"})
    known = whole[whole["unit"] % 20 // 2 >= 3].groupby(units["variant"])[column].mean()
    for metric, new, control in (("spent", known["new"], known["control"]), ("bought", 1.0, 1.0)):
        finding = found.comparisons[0].metric(metric)
        assert finding.missing == 600
        assert (finding.verdict.n_treatment, finding.verdict.n_control) == (700, 700)
        assert finding.verdict.treatment_mean == pytest.approx(new, rel=1e-9)
        assert finding.verdict.control_mean == pytest.approx(control, rel=1e-9)
    assert "missing equally" in check(found, "label-coverage").sentence


def test_values_missing_in_one_variant_withhold_instead_of_making_it_worse() -> None:
    units = exposed()
    after = bought(units)
    after["value"] = after["value"].where((after["unit"] % 2 == 0) | (after["unit"] % 20 // 2 >= 3))
    found = judge(units, after, metrics={"spent": "mean:purchase"})
    assert found.comparisons[0].because == ("label-coverage",)


def test_an_outcome_that_has_no_values_counts_as_one_beside_another_that_has() -> None:
    units = exposed()
    clicks = _third(units).assign(outcome="click", value=np.nan)
    found = judge(units, pd.concat([bought(units), clicks]), metrics={"clicks": "mean:click", "spent": "mean:purchase"})
    clicked, spent = found.comparisons[0].metrics
    assert clicked.verdict.control_mean == pytest.approx(1 / 3, abs=1e-3)
    assert clicked.missing == spent.missing == 0
    assert spent.verdict.control_mean == pytest.approx(100, abs=3)


def test_a_second_purchase_without_a_value_hides_a_sum_and_not_that_something_was_bought() -> None:
    units = exposed()
    again = bought(units)[:400].assign(value=np.nan)
    found = judge(units, pd.concat([bought(units), again]), metrics=_METRICS).comparisons[0]
    assert found.metric("spent").missing == 400
    assert found.metric("bought").missing == 0


def test_a_ratio_lacks_a_unit_when_either_of_its_totals_is_unknown() -> None:
    units = exposed()
    after = bought(units).assign(items=2.0, amount=lambda rows: rows["value"])
    after.loc[:9, "items"], after.loc[10:19, "amount"] = np.nan, np.nan
    found = judge(units, after, metrics={"basket": "ratio:purchase.amount/purchase.items"}).comparisons[0].primary
    assert found.missing == 20
    assert found.verdict.control_mean == pytest.approx(after["value"][20::2].mean() / 2, rel=1e-9)


@pytest.mark.parametrize("metric", ["mean:purchase", "proportion:purchase", "proportion:purchase.amount"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_value_that_is_no_number_is_refused_with_its_row_whatever_is_measured(metric: str, value: float) -> None:
    units = exposed()
    numbers = np.ones(N)
    numbers[6] = value
    after = pa.Table.from_pandas(bought(units).drop(columns="value"), preserve_index=False)
    for column in ("value", "amount"):
        after = after.append_column(column, pa.array(numbers))
    with pytest.raises(BadInput, match=r"row 7 of outcomes has the (value|amount) (nan|inf)"):
        judge(units, after, metrics={"x": metric})


@pytest.mark.parametrize(
    ("change", "shares", "says"),
    [
        (lambda t: t[:0], {}, "has no rows; there is nobody to judge yet"),
        (lambda t: t.assign(variant="control"), {}, "the one variant 'control'"),
        (lambda t: t, {"control": 1, "new": 1, "other": 1}, "no unit was exposed to 'other' yet"),
    ],
)
def test_what_has_not_come_yet_is_no_data_and_no_bad_usage(change, shares, says) -> None:  # type: ignore[no-untyped-def]
    units = exposed()
    with pytest.raises(NoData, match=says) as raised:
        judge(change(units), bought(units), metrics=_METRICS, shares=shares)
    assert raised.value.exit_code == 3


@pytest.mark.parametrize("holed", ["exposures", "outcomes", "units"])
def test_an_empty_time_is_refused_with_its_row(holed: str) -> None:
    tables = {"exposures": exposed(), "outcomes": bought(exposed())}
    table = tables["outcomes" if holed == "outcomes" else "exposures"]
    table.loc[4, "at"] = pd.NaT
    if holed == "units":
        tables["outcomes"] = None
    metrics = {"x": "mean:unit"} if holed == "units" else _METRICS
    with pytest.raises(BadInput, match=r"row 5 of (exposures|outcomes) has no at; leave it out"):
        judge(tables["exposures"], tables["outcomes"], metrics=metrics)


def test_days_beside_times_of_day_are_refused_and_days_in_both_are_not() -> None:
    units, after = exposed(), bought(exposed())
    days = after.assign(at=after["at"].dt.date)
    with pytest.raises(BadInput, match="outcomes has days in 'at' and exposures has times"):
        judge(units, days, metrics=_METRICS)
    found = judge(units.assign(at=units["at"].dt.date), days, metrics=_METRICS).comparisons[0]
    assert found.metric("bought").verdict.control_mean == 1.0


def test_a_file_of_a_header_alone_is_no_data(tmp_path: Path) -> None:
    empty = tmp_path / "empty.csv"
    empty.write_text("unit,variant,y\n")
    with pytest.raises(NoData, match="has no rows"):
        judge(empty, metrics={"y": "mean:y"})


def test_truth_values_of_a_csv_file_are_those_of_a_table(tmp_path: Path) -> None:
    table = pd.DataFrame({"unit": range(400), "variant": ["new", "control"] * 200})
    table["y"] = table.unit % 3 > 0
    table.to_csv(tmp_path / "written.csv", index=False)
    read = judge(tmp_path / "written.csv", metrics={"y": "proportion:y"})
    assert (
        read.comparisons[0].primary.verdict
        == judge(table, metrics={"y": "proportion:y"}).comparisons[0].primary.verdict
    )
    assert read.comparisons[0].primary.verdict.control_mean == pytest.approx(table.y[1::2].mean())


def test_values_whose_variance_has_no_square_are_judged_all_the_same() -> None:
    rng = np.random.default_rng(1)
    units = pd.DataFrame({"unit": range(400), "variant": ["new", "control"] * 200, "y": rng.normal(10, 1, 400)})
    plain = judge(units, metrics={"y": "mean:y"}).comparisons[0].primary.verdict
    huge = judge(units.assign(y=units.y * 1e150), metrics={"y": "mean:y"}).comparisons[0].primary.verdict
    assert huge.word == plain.word
    assert huge.p_value == pytest.approx(plain.p_value, rel=1e-9)


@pytest.mark.parametrize("metric", ["quantile:y,q=50%", "mean:y,compare=ranks", "mean:y,range=0..200", "mean:y"])
def test_what_is_shown_to_be_alike_is_not_worse(metric: str) -> None:
    rng = np.random.default_rng(4)
    units = pd.DataFrame(
        {"unit": range(20_000), "variant": ["new", "control"] * 10_000, "y": rng.normal(100, 10, 20_000)}
    )
    found = judge(units, metrics={"y": metric}, minimum_effect="relative:5%")
    assert found.comparisons[0].primary.verdict.word == "equivalent"
    assert exit_code(found, "not-worse") == 0
    assert exit_code(found, "better") == 1
    worse = judge(
        units.assign(y=units.y - 10 * (units.variant == "new")), metrics={"y": metric}, minimum_effect="relative:5%"
    )
    assert exit_code(worse, "not-worse") == 1


def test_a_file_of_nothing_is_no_data(tmp_path: Path) -> None:
    (tmp_path / "nothing.csv").touch()
    with pytest.raises(NoData, match="is empty"):
        judge(tmp_path / "nothing.csv", metrics={"y": "mean:y"})
