"""The watch put together: cells that open before and after, realised beside estimated, alerts beside releases."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from seatrial.cli.app import run
from seatrial.control.watched import MOST_OPENED, moments_of, open_cell, seen_of
from seatrial.spec.errors import NotFound
from seatrial.watch.seen import WatchSeen
from seatrial.watch.seen_report import seen_page
from tests.harbour import PLAIN, Harbour
from tests.watched import HOUR, HOURS, MOVED_AT, NAMES, ROWS, Watched


@pytest.fixture(scope="module")
def harbour(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Harbour]:
    made = Harbour(tmp_path_factory.mktemp("home"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def watched(harbour: Harbour) -> Watched:
    return Watched(harbour)


@pytest.fixture(scope="module")
def seen(harbour: Harbour, watched: Watched) -> WatchSeen:
    return seen_of(harbour.state, "churn", harbour.clock.now, ledger=watched.ledger)


def test_there_is_a_cell_for_every_column_and_window_and_what_moved_is_coloured(seen: WatchSeen) -> None:
    assert len(seen.cells) == len(NAMES) * HOURS
    moved = {(cell.feature, cell.window) for cell in seen.cells if cell.severity == "major"}
    assert {window for feature, window in moved if feature == "tenure"} == {
        seen.span[0] + hour * HOUR for hour in range(MOVED_AT, HOURS)
    }
    assert seen.severity == "major"


def test_realised_and_estimated_lines_stand_side_by_side(seen: WatchSeen) -> None:
    realised = [point for point in seen.performance if point.line == "realised"]
    estimated = [point for point in seen.performance if point.line == "estimated"]
    assert (len(realised), len(estimated)) == (HOURS - 3, HOURS - 1)
    assert (seen.metric, seen.share) == ("right", True)
    assert estimated[0].value == 0.895


def test_alerts_stand_beside_what_became_of_releases_in_order_of_time(seen: WatchSeen) -> None:
    words = [moment.word for moment in seen.moments]
    assert words == ["apply", "begin", "advance", "verdict", "promote", "data.major", "performance.major", "rollback"]
    assert [m.tone for m in seen.moments if m.lane == "alerts"] == ["warn", "bad", "bad"]
    assert moments_of((), (), (0, 1)) == ()


def test_an_opened_cell_shows_the_share_of_rows_before_and_after(seen: WatchSeen, watched: Watched) -> None:
    assert len(seen.opened) == MOST_OPENED
    first = next(one for one in seen.opened if one.drift.feature == "tenure")
    hour = (first.start - watched.start) // HOUR
    assert hour == HOURS - 1, "the newest of the strong ones"
    values = np.array(watched._columns["tenure"][hour * ROWS : (hour + 1) * ROWS])
    edges = watched.profile.features[0].bins.edges
    counts = np.histogram(values, [-np.inf, *edges, np.inf])[0]
    assert [part.window for part in first.parts] == pytest.approx([n / ROWS for n in counts])
    assert sum(part.reference for part in first.parts) == pytest.approx(1)
    assert {cell.opens for cell in seen.cells if cell.opens} == {f"#{one.id}" for one in seen.opened}


def test_any_cell_opens_by_itself_and_one_that_is_not_there_is_not_found(harbour: Harbour, watched: Watched) -> None:
    opened = open_cell(harbour.state, "churn", "champion", ("data", "age", watched.start), watched.ledger)
    assert opened.drift.severity == "none"
    assert sum(part.window for part in opened.parts) == pytest.approx(1)
    for shown in (("data", "nobody", watched.start), ("data", "age", 7), ("prediction", "age", watched.start)):
        with pytest.raises(NotFound):
            open_cell(harbour.state, "churn", "champion", shown, watched.ledger)


def test_a_cell_whose_rows_are_gone_keeps_its_numbers_and_says_so(harbour: Harbour, watched: Watched) -> None:
    watched_times, watched._times = watched._times, []
    columns, watched._columns = watched._columns, {name: [] for name in NAMES}
    try:
        opened = open_cell(harbour.state, "churn", "champion", ("data", "age", watched.start), watched.ledger)
    finally:
        watched._times, watched._columns = watched_times, columns
    assert opened.parts == ()
    assert "are not kept any more" in opened.gap
    assert opened.drift.findings


def test_the_page_is_one_file_that_asks_nobody_and_every_cell_that_opens_has_its_place(seen: WatchSeen) -> None:
    page = seen_page(seen)
    assert "<script src" not in page
    assert "http-equiv" not in page
    for one in seen.opened:
        assert f'id="{one.id}"' in page
    for words in ("Drift: column × time", "Performance, alerts and releases", "Accuracy fell from 0.90 to 0.79."):
        assert words in page


def test_a_deployment_that_was_not_watched_yet_has_a_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SEATRIAL_HOME", str(tmp_path))
    made = Harbour(tmp_path)
    made.apply(PLAIN)
    page = seen_page(seen_of(made.state, "churn", made.clock.now, ledger=None))
    assert "No window is complete yet." in page
    assert run(["drift", "churn", "--html", "watch.html"]) == 3, "no data"
    assert "No window is complete yet." in (tmp_path / "watch.html").read_text("utf-8")
    with pytest.raises(NotFound, match="has no variant 'nobody'; it has champion"):
        seen_of(made.state, "churn", made.clock.now, variant="nobody")
    made.close()


def test_an_opened_cell_says_where_the_windows_values_lie_exactly(seen: WatchSeen, watched: Watched) -> None:
    first = next(one for one in seen.opened if one.drift.feature == "tenure")
    hour = (first.start - watched.start) // HOUR
    values = np.array(watched._columns["tenure"][hour * ROWS : (hour + 1) * ROWS])
    levels = [level for level, _ in first.quantiles]
    assert levels == [0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99]
    exact = np.quantile(values, levels, method="inverted_cdf")
    assert [value for _, value in first.quantiles] == pytest.approx(exact.tolist(), rel=1e-12)
    assert f"50 % {first.quantiles[3][1]:.4g}" in first.sentences[1]
    assert "Values of the window at or below which these shares of its rows lie" in seen_page(seen)
