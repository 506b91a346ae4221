"""What the dashboard shows of an experiment of several variants, and of a release in shadow."""

import re
from pathlib import Path

import pytest

from seatrial.dashboard import house as room
from tests.contests import EXPERIMENT, contested, in_shadow
from tests.harbour import Harbour
from tests.houses import house_of, visitor


def test_every_challenger_of_an_experiment_stands_there_and_is_judged_once_a_minute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with contested(tmp_path) as (house, harbour), visitor(house) as client:
        asked: list[int] = []
        judged = room.several_at
        monkeypatch.setattr(room, "several_at", lambda *given: asked.append(1) or judged(*given))
        page = client.get("/deployments/churn").text
        assert "In everybody: every variant against champion, as one family (Holm)" in page
        part = client.get("/deployments/churn/verdict").text
        assert re.search(r"<h3>challenger .*churn:2.*<span class=\"badge \w*\">", part)
        assert "conversion" in part
        assert "errors" in part
        assert 'data-label="units">300 / 300' in part
        assert "No release has been judged yet" not in part
        assert len(asked) == 1
        harbour.clock.forward(seconds=61)
        client.get("/deployments/churn/verdict")
        assert len(asked) == 2


def test_an_experiment_that_no_gateway_serves_yet_says_so(tmp_path: Path) -> None:
    harbour = Harbour(tmp_path)
    harbour.apply(EXPERIMENT)
    with visitor(house_of(tmp_path, harbour)) as client:
        assert client.get("/deployments/churn/verdict").status_code == 200
    harbour.close()


def test_the_pairs_of_a_shadow_stand_in_a_table_with_how_long_each_number_holds(tmp_path: Path) -> None:
    with in_shadow(tmp_path) as (house, _), visitor(house) as client:
        part = client.get("/deployments/churn/verdict").text
    assert "<h3>Shadow</h3>" in part
    rows = dict(re.findall(r'<td class="head">([^<]*)</td>.*?data-label="holds at">([^<]*)</td>', part))
    assert rows["accuracy"] == "every look"
    assert rows["McNemar, exact"] == rows["Cohen&#39;s kappa"] == "one look (fixed)"
    assert "seatrial judge" in part
