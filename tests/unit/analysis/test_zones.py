"""Times with a zone and times without: refused where both stand, whatever the files are."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from seatrial.analysis.judging import judge
from seatrial.spec.errors import BadInput

N = 600
METRIC = {"c": "proportion:buy,within=3h"}
AT = pd.Series(pd.Timestamp("2026-03-02", tz="UTC") + pd.to_timedelta(np.arange(N), unit="min"))
LOCAL = AT.dt.tz_convert("America/New_York").dt.tz_localize(None)


def exposures(at: object) -> pd.DataFrame:
    return pd.DataFrame({"unit": np.arange(N), "variant": np.where(np.arange(N) % 2, "new", "control"), "at": at})


def outcomes(at: object) -> pd.DataFrame:
    return pd.DataFrame({"unit": np.arange(N), "outcome": "buy", "at": at})


def test_local_times_beside_zoned_ones_are_refused_and_times_alike_are_not() -> None:
    with pytest.raises(BadInput, match="of outcomes have a zone and those of exposures have none"):
        judge(exposures(LOCAL), outcomes(AT), metrics=METRIC)
    with pytest.raises(BadInput, match="of exposures have a zone and those of outcomes have none"):
        judge(exposures(AT), outcomes(LOCAL), metrics=METRIC)
    judge(exposures(AT.dt.as_unit("ns")), outcomes(AT.dt.as_unit("s")), metrics=METRIC)
    zoned = judge(exposures(AT), outcomes(AT + pd.Timedelta("1h")), metrics=METRIC)
    both = judge(exposures(LOCAL), outcomes(LOCAL + pd.Timedelta("1h")), metrics=METRIC)
    means = [one.comparisons[0].primary.verdict.control_mean for one in (zoned, both)]
    assert means == [1.0, 1.0]


@pytest.mark.parametrize(
    "odd", ["2026-03-02T09:00:00", "2026-03-02 09:00:00", "2026-03-02 09:00", "2026-03-02", "2026-03-02T09:00:00.5"]
)
@pytest.mark.parametrize("zone", ["Z", "+01:00", "-0530"])
def test_a_csv_of_both_is_refused_with_the_first_row_that_has_no_zone(odd: str, zone: str, tmp_path: Path) -> None:
    text = list(AT.dt.strftime(f"%Y-%m-%dT%H:%M:%S{zone}"))
    text[2] = odd
    exposures(text).to_csv(tmp_path / "e.csv", index=False)
    outcomes(AT).to_parquet(tmp_path / "o.parquet")
    with pytest.raises(BadInput, match=rf"e.csv has times in 'at' with a zone and without \(row 3: {odd}\)"):
        judge(tmp_path / "e.csv", tmp_path / "o.parquet", metrics=METRIC)
    with pytest.raises(BadInput, match="with a zone and without"):
        judge(exposures(text), metrics={"x": "mean:unit"})


@pytest.mark.parametrize("zone", ["Z", "+01:00", "-0530", "+01", " UTC"])
def test_a_csv_of_one_way_of_writing_is_read(zone: str, tmp_path: Path) -> None:
    exposures(AT.dt.strftime(f"%Y-%m-%dT%H:%M:%S{zone}")).to_csv(tmp_path / "e.csv", index=False)
    outcomes(AT + pd.Timedelta("8h")).to_parquet(tmp_path / "o.parquet")
    judge(tmp_path / "e.csv", tmp_path / "o.parquet", metrics={"c": "mean:buy"})


def test_several_parquet_files_of_both_are_refused(tmp_path: Path) -> None:
    exposures(AT)[:300].to_parquet(tmp_path / "day-1.parquet")
    exposures(LOCAL)[300:].to_parquet(tmp_path / "day-2.parquet")
    with pytest.raises(BadInput, match="with a zone and without"):
        judge(tmp_path / "day-*.parquet", metrics={"x": "mean:unit"})
