"""Pages and notebook objects of an analysis: what is drawn is what was found, and no host is asked."""

import json
import re

import numpy as np
import pandas as pd
import pytest

from seatrial.analysis.judging import judge
from seatrial.spec.errors import BadInput
from seatrial.stats.sequence import multiplier

START = pd.Timestamp("2026-03-02", tz="UTC")


def units(n: int = 3000, lift: float = 0.4) -> pd.DataFrame:
    rng = np.random.default_rng(4)
    frame = pd.DataFrame(
        {
            "unit": np.arange(n),
            "variant": np.where(rng.random(n) < 0.5, "new", "control"),
            "at": START + pd.to_timedelta(np.sort(rng.uniform(0, 10, n)), unit="D"),
            "country": rng.choice(["DE", "FR"], n),
        }
    )
    frame["x"] = rng.normal(5, 1, n) + lift * (frame["variant"] == "new")
    return frame


def charts_of(html: str) -> list[dict[str, object]]:
    found = re.findall(r'<script type="application/vega\+json">(.*?)</script>', html, re.DOTALL)
    return [json.loads(text) for text in found if text.startswith("{")]


def test_the_effect_over_time_ends_where_the_always_valid_analysis_of_all_units_is() -> None:
    found = judge(units(), metrics={"x": "mean:x"}, over_time=True)
    whole = judge(units(), metrics={"x": "mean:x"}, method="always-valid").comparisons[0].primary.verdict
    looks = found.comparisons[0].primary.looks
    assert len(looks) > 5
    assert (looks[-1].effect, looks[-1].lower, looks[-1].upper) == pytest.approx(
        (whole.effect, whole.lower, whole.upper), rel=1e-12
    )
    first = looks[0]
    frame = units()
    early = frame[frame["at"].astype("int64") // 1000 < first.at]
    new, old = (early.loc[early["variant"] == v, "x"] for v in ("new", "control"))
    assert first.effect == pytest.approx(new.mean() - old.mean(), rel=1e-12)
    assert first.n_treatment == len(new)
    half = multiplier(len(early), 0.05) * np.sqrt(
        max(
            new.var() / len(new) + old.var() / len(old),
            (new.var() * (len(new) - 1) + old.var() * (len(old) - 1))
            / (len(early) - 2)
            * (1 / len(new) + 1 / len(old)),
        )
    )
    assert first.upper - first.effect == pytest.approx(half, rel=1e-9)
    assert sum(n for day in found.arrivals for n in day.units.values()) == 3000


def test_a_page_draws_effects_looks_segments_and_units_and_asks_no_host() -> None:
    found = judge(units(), metrics={"x": "mean:x"}, over_time=True, segments=["country"])
    html = found.to_html("Prices")
    assert len(charts_of(html)) == 5
    assert "<h1>Prices</h1>" in html
    markup = re.sub(r"<script>.*?</script>", "", html, flags=re.DOTALL)
    assert re.findall(r"<(?:script|link|img|iframe)[^>]*(?:src|href)=", markup) == []
    assert {one.name for one in found.comparisons[0].primary.segments["country"].segments} == {"DE", "FR"}


def test_a_page_without_times_has_the_effects_alone() -> None:
    html = judge(units().drop(columns="at"), metrics={"x": "mean:x"}).to_html()
    assert len(charts_of(html)) == 1


def test_names_in_the_data_are_text_in_the_page() -> None:
    frame = units()
    frame["variant"] = frame["variant"].str.replace("new", "<b>new</b>")
    found = judge(frame, metrics={"x": "mean:x"})
    assert "<b>new" not in re.sub(r"<script.*?</script>", "", found.to_html(), flags=re.DOTALL)
    assert "<b>new" not in found._repr_html_()


def test_a_notebook_shows_sentences_numbers_and_what_cannot_be_trusted() -> None:
    shown = judge(units(), metrics={"x": "mean:x"}, shares={"control": 3, "new": 1})._repr_html_()
    assert "No verdict on new can be trusted" in shown
    assert "<td>mean" not in shown
    assert "<script" not in shown
    assert "<td>no-data</td>" in shown


def test_time_and_segments_that_are_not_there_are_refused() -> None:
    with pytest.raises(BadInput, match="needs times"):
        judge(units().drop(columns="at"), metrics={"x": "mean:x"}, over_time=True)
    with pytest.raises(BadInput, match="3000 values, which are no segments"):
        judge(units(), metrics={"x": "mean:x"}, segments=["unit"])
    with pytest.raises(BadInput, match="did you mean 'country'"):
        judge(units(), metrics={"x": "mean:x"}, segments=["countri"])
