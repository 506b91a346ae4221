"""Columns of files whose values Python has no plain array for: decimals are numbers, dates are times."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd


def plain_columns(frame: pd.DataFrame) -> pd.DataFrame:
    """The same table; a column of decimals as float64, one of dates as times of their first moment, UTC."""
    columns = {name: _plain(frame[name]) for name in frame.columns if frame[name].dtype == object}
    return frame.assign(**columns) if columns else frame


def _plain(column: "pd.Series[Any]") -> "pd.Series[Any]":
    kinds = {type(value) for value in column.dropna()}
    if kinds == {Decimal}:
        numbers = [np.nan if gone else float(v) for v, gone in zip(column, column.isna(), strict=True)]
        return pd.Series(numbers, index=column.index, dtype=np.float64)
    if kinds == {date} or kinds == {date, datetime}:
        days = [None if gone else pd.Timestamp(v) for v, gone in zip(column, column.isna(), strict=True)]
        return pd.to_datetime(pd.Series(days, index=column.index, dtype=object), utc=True)
    return column
