"""Whose rows may be somebody else's now, by who the names were and are."""

import pyarrow as pa
import pytest

from seatrial.experiments.persons import NOBODY, renamed_units


def persons(**units: str) -> pa.Table:
    return pa.table({"alias": pa.array(units.keys(), pa.string()), "unit": pa.array(units.values(), pa.string())})


@pytest.mark.parametrize(
    ("before", "now", "renamed"),
    [
        (NOBODY, NOBODY, set()),
        (NOBODY, persons(cookie="ann"), {"cookie", "ann"}),
        (persons(cookie="ann"), NOBODY, {"cookie", "ann"}),
        (persons(cookie="ann", phone="bob"), persons(phone="bob", cookie="ann"), set()),
        (persons(cookie="ann", phone="bob"), persons(cookie="eve", phone="bob"), {"cookie", "ann", "eve"}),
    ],
)
def test_a_name_and_both_whom_it_stood_for_are_renamed(before: pa.Table, now: pa.Table, renamed: set[str]) -> None:
    assert renamed_units(before, now) == renamed
