"""Outcomes that stand twice, share an id, or lie before the exposure: counted, said, and, if they mislead, withheld."""

import pandas as pd
import pytest

from seatrial.analysis.judging import judge
from seatrial.analysis.verdicts import Analysis
from seatrial.ledger.importing import Columns as ImportColumns
from seatrial.ledger.importing import import_outcomes
from seatrial.ledger.reader import Reader
from seatrial.spec.errors import BadInput
from tests.unit.analysis.test_unclean_files import DAY, N, bought, check, exposed

SPENT = {"spent": "mean:purchase"}


def mean(found: Analysis) -> float:
    control = found.comparisons[0].primary.verdict.control_mean
    assert control is not None
    return control


def test_rows_that_are_doubled_are_withheld_and_not_doubled_revenue() -> None:
    units = exposed()
    after = bought(units)
    doubled = pd.concat([after, after[units["variant"] == "new"]])
    found = judge(units, doubled, metrics=SPENT)
    assert found.comparisons[0].because == ("repeated-outcomes",)
    assert found.comparisons[0].primary.verdict.word == "no-data"
    assert "purchase 1 000 of 3 000; leave the doubles out, or give each row an `id`" in found.comparisons[0].sentence
    assert (
        check(judge(units, after, metrics=SPENT), "repeated-outcomes").sentence == "No outcome stands twice (purchase)."
    )


def test_one_coincidence_in_a_thousand_is_said_and_unequal_shares_withhold() -> None:
    units = exposed(20 * N)
    after = bought(units)
    one = check(judge(units, pd.concat([after, after[:1]]), metrics=SPENT), "repeated-outcomes")
    assert one.ok
    assert one.sentence == "A few rows stand twice, and count twice: purchase 1 of 40 001."
    in_one_arm = after[units["variant"] == "new"][:30]
    found = check(judge(units, pd.concat([after, in_one_arm]), metrics=SPENT), "repeated-outcomes")
    assert not found.ok
    assert found.value is not None
    assert found.value < 0.001


@pytest.mark.parametrize(
    ("metric", "timed"), [("proportion:purchase", True), ("quantile:purchase,q=50%", True), ("mean:purchase", False)]
)
def test_doubles_that_change_nothing_or_may_well_have_happened_say_nothing(metric: str, timed: bool) -> None:
    units, after = exposed(), bought(exposed())
    both = pd.concat([after, after])
    if not timed:
        units, both = units.drop(columns="at"), both.drop(columns="at").assign(value=1.0)
    found = judge(units, both, metrics={"x": metric})
    assert "repeated-outcomes" not in [one.name for one in found.checks]
    assert found.comparisons[0].recommendation != "withheld"


def test_of_one_id_the_last_row_counts_as_in_the_ledger(tmp_path) -> None:  # type: ignore[no-untyped-def]
    units = exposed()
    first = bought(units).assign(id=lambda rows: "order-" + rows["unit"].astype(str))
    corrected = first[::5].assign(value=lambda rows: rows["value"] + 50)
    both = pd.concat([first, first[:100], corrected])
    found = judge(units, both, metrics=SPENT)
    alone = judge(units, pd.concat([first[~first.index.isin(corrected.index)], corrected]), metrics=SPENT)
    assert mean(found) == pytest.approx(mean(alone), rel=1e-12)
    assert check(found, "repeated-outcomes").sentence == (
        "Of rows with the same id the last counts; replaced were: purchase 500."
    )
    both.to_parquet(tmp_path / "both.parquet")
    named = ImportColumns(unit="unit", at="at", value="value", id="id")
    import_outcomes(tmp_path / "home", tmp_path / "both.parquet", "purchase", named, now=1_800_000_000_000_000)
    with Reader(tmp_path / "home").open("d") as view:
        stored = view.sql("SELECT unit, value_number FROM all_outcomes", {}).to_pandas()
    theirs = stored.set_index("unit")["value_number"][units["unit"][units["variant"] == "control"].astype(str)]
    assert mean(found) == pytest.approx(theirs.mean(), rel=1e-12)


def test_the_last_row_is_the_last_that_arrived_where_the_file_says_when() -> None:
    units = exposed()
    first = bought(units).assign(id=lambda rows: rows["unit"])
    corrected = first.assign(value=1.0, received_at=pd.Timestamp("2026-04-02", tz="UTC"))
    both = pd.concat([corrected, first.assign(received_at=pd.Timestamp("2026-04-01", tz="UTC"))])
    assert mean(judge(units, both, metrics=SPENT)) == 1.0
    by_order = judge(units, both.drop(columns="received_at"), metrics=SPENT)
    assert mean(by_order) == pytest.approx(first["value"][::2].mean(), rel=1e-12)


def test_an_id_belongs_to_one_outcome() -> None:
    units = exposed()
    clicks = bought(units).assign(outcome="click", id=lambda rows: rows["unit"])
    both = pd.concat([bought(units).assign(id=lambda rows: rows["unit"]), clicks])
    found = judge(units, both, metrics={"spent": "mean:purchase", "clicks": "proportion:click"})
    assert check(found, "repeated-outcomes").sentence == "No outcome stands twice (click, purchase)."


def test_an_id_at_units_of_different_variants_withholds() -> None:
    units = exposed()
    after = bought(units).assign(id=lambda rows: rows["unit"])
    after.loc[1, "id"] = 0
    found = judge(units, after, metrics=SPENT)
    assert found.comparisons[0].because == ("repeated-outcomes",)
    assert "1 id of an outcome is shared by units of different variants (for example '0')" in found.sentence
    after.loc[1, "id"], after.loc[2, "id"] = 1, 0
    assert judge(units, after, metrics=SPENT).comparisons[0].recommendation != "withheld"


def test_ids_of_some_rows_of_an_outcome_are_refused_and_of_some_outcomes_are_not() -> None:
    units = exposed()
    after = bought(units).assign(id=lambda rows: rows["unit"].astype(float))
    after.loc[6, "id"] = None
    with pytest.raises(BadInput, match=r"row 7 of outcomes has no id, and other rows of 'purchase' have one"):
        judge(units, after, metrics=SPENT)
    clicks = bought(units).assign(outcome="click")
    both = pd.concat([after.assign(id=after["unit"]), clicks])
    found = judge(units, both, metrics={"spent": "mean:purchase", "clicks": "mean:click"})
    assert found.comparisons[0].recommendation != "withheld"
    doubled = judge(units, pd.concat([both, clicks]), metrics={"spent": "mean:purchase", "clicks": "mean:click"})
    assert doubled.comparisons[0].because == ("repeated-outcomes",)


def test_outcomes_before_the_exposure_are_counted_and_shown() -> None:
    units = exposed()
    after = bought(units)
    before = after[:300].assign(at=lambda rows: rows["at"] - DAY)
    found = judge(units, pd.concat([after, before]), metrics=SPENT)
    assert mean(found) == pytest.approx(after["value"][::2].mean(), rel=1e-12)
    assert check(found, "early-outcomes").ok
    assert check(found, "early-outcomes").sentence == (
        "Outcomes over five minutes before the exposure of their unit count for nothing: purchase 300 of 2 300."
    )
    assert "No outcome lies before" in check(judge(units, after, metrics=SPENT), "early-outcomes").sentence


def test_outcomes_that_all_lie_before_the_exposure_withhold_instead_of_being_none() -> None:
    units = exposed()
    found = judge(units, bought(units).assign(at=lambda rows: rows["at"] - DAY), metrics=SPENT)
    assert found.comparisons[0].because == ("early-outcomes",)
    assert "purchase 2 000 of 2 000; give the times of both files by one clock" in found.comparisons[0].sentence


def test_without_times_nothing_is_said_of_what_came_before() -> None:
    found = judge(exposed(), bought(exposed()).drop(columns="at"), metrics=SPENT)
    assert "early-outcomes" not in [one.name for one in found.checks]
