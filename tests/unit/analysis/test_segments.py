"""Segments of files: too few units say nothing, and no number that JSON cannot write comes out."""

import msgspec
import numpy as np
import pandas as pd
import pytest

from seatrial.analysis.judging import judge
from seatrial.analysis.verdicts import Analysis
from seatrial.stats.segments import Segments


def units(n: int, seed: int = 1) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame({"unit": np.arange(n), "variant": np.where(np.arange(n) % 2, "new", "control"),
                         "x": rng.lognormal(0, 1.5, n)})  # fmt: skip


def segments(frame: pd.DataFrame, by: str, **more: object) -> Segments:
    found = judge(frame, metrics={"x": "mean:x"}, segments=[by], **more)  # type: ignore[arg-type]
    return found.comparisons[0].primary.segments[by]


def test_a_segment_needs_a_hundred_units_of_each_variant() -> None:
    frame = units(1000)
    frame["g"] = np.where(frame.unit < 200, "enough", np.where(frame.unit < 398, "few", "many"))
    found = segments(frame, "g")
    assert [one.name for one in found.segments] == ["enough", "many"]
    assert found.left_out == ("few",)


@pytest.mark.simulation
def test_small_segments_of_equal_variants_are_not_marked() -> None:
    marked = 0
    for seed in range(20):
        frame = units(30 * 40, seed)
        frame["g"] = (frame.unit // 2 % 30).astype(str)
        marked += any(one.differs for one in segments(frame, "g", method="always-valid").segments)
    assert marked == 0


def test_segments_of_one_variant_each_have_no_common_effect_and_the_document_is_read_again() -> None:
    frame = units(400)
    frame["h"] = frame.variant
    found = judge(frame, metrics={"x": "mean:x"}, segments=["h"])
    told = found.comparisons[0].primary.segments["h"]
    assert (told.common, told.segments, told.left_out) == (None, (), ("control", "new"))
    assert msgspec.json.decode(msgspec.json.encode(found), type=Analysis) == found
