"""The dashboard in a real browser: charts are drawn, no other host is asked, phones and dark rooms are served."""

import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from seatrial.control.watched import seen_of
from seatrial.dashboard.app import create_app
from seatrial.dashboard.house import House
from seatrial.releases.records import Alert
from seatrial.watch.seen_report import seen_page
from tests.contests import contested, in_shadow
from tests.harbour import Harbour, gateway_worker
from tests.houses import house_of, lived_in
from tests.waiting import wait_for
from tests.watched import Watched

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install seatrial[dev]")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM, reason="no Chromium on this machine: the dashboard was not seen in a browser"),
]
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
CHARTS = 6


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Harbour]]:
    with lived_in(tmp_path_factory.mktemp("home")) as (house, harbour), serving(house) as address:
        yield address, harbour


@contextmanager
def serving(house: House) -> Iterator[str]:
    """The dashboard's address."""
    server = uvicorn.Server(uvicorn.Config(create_app(house), port=0, log_level="warning", lifespan="off"))
    thread = threading.Thread(target=server.run)
    thread.start()
    wait_for(lambda: server.started, what="the dashboard")
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield chromium
        chromium.close()


@contextmanager
def opened(browser: Any, address: str, *, charts: int = CHARTS, **context: Any) -> Iterator[tuple[Any, list[str]]]:
    """The deployment's page with its charts drawn, and what went wrong in it."""
    room = browser.new_context(**context)
    page, wrong = room.new_page(), []
    page.on("console", lambda m: wrong.append(m.text) if m.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("request", lambda r: None if r.url.startswith((address, "data:")) else wrong.append(f"asked for {r.url}"))
    try:
        page.goto(f"{address}/deployments/churn")
        page.wait_for_function(f"document.querySelectorAll('.chart svg').length === {charts}")
        yield page, wrong
    finally:
        room.close()


def test_every_chart_is_drawn_and_nothing_complains_or_asks_elsewhere(
    browser: Any, served: tuple[str, Harbour]
) -> None:
    with opened(browser, served[0]) as (page, wrong):
        sizes = page.evaluate("[...document.querySelectorAll('.chart svg')].map(s => s.getBoundingClientRect().width)")
        assert min(sizes) > 200
        assert "tenure" in page.inner_text("#watch .chart")
        assert wrong == []


def test_a_phone_needs_no_sideways_scrolling(browser: Any, served: tuple[str, Harbour]) -> None:
    with opened(browser, served[0], viewport={"width": 390, "height": 844}) as (page, _):
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        wide = "[...document.querySelectorAll('.wide')].filter(w => w.scrollWidth > w.clientWidth).length"
        assert page.evaluate(wide) == 0
        label = "getComputedStyle(document.querySelector('#now td:last-child'), '::before').content"
        assert page.evaluate(label) == '"p99 ms"'
        page.goto(served[0])
        assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_dark_rooms_get_dark_pages_with_light_axes(browser: Any, served: tuple[str, Harbour]) -> None:
    colours = []
    for scheme in ("light", "dark"):
        with opened(browser, served[0], color_scheme=scheme) as (page, _):
            ground = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
            label = page.evaluate("document.querySelector('.chart .mark-text text').getAttribute('fill')")
            colours.append((ground, label))
    (light, ink), (dark, chalk) = colours
    assert light == "rgb(246, 247, 249)"
    assert dark == "rgb(18, 23, 29)"
    assert ink != chalk


def test_a_part_that_says_the_same_is_left_alone_and_news_appear(browser: Any, served: tuple[str, Harbour]) -> None:
    address, harbour = served
    with opened(browser, address) as (page, wrong):
        page.evaluate("document.querySelector('#verdict svg').dataset.mine = 'kept'")
        page.evaluate("window.top_before = document.querySelector('#trail').getBoundingClientRect().top")
        harbour.state.alerts.add(
            Alert(
                deployment="churn",
                at=harbour.clock.now,
                event="data.major",
                key="new",
                severity="critical",
                sentence="Again.",
            )
        )
        page.wait_for_function("document.querySelector('#trail').textContent.includes('Again.')")
        for _ in range(2):
            with page.expect_response(lambda response: response.url.endswith("/verdict")):
                pass
        assert page.evaluate("document.querySelector('#verdict svg').dataset.mine") == "kept"
        assert page.evaluate("document.querySelector('#trail').getBoundingClientRect().top - window.top_before") == 0
        assert page.evaluate("document.querySelectorAll('.chart svg').length") == CHARTS
        assert wrong == []


def test_a_button_asks_why_acts_and_says_so(browser: Any, served: tuple[str, Harbour]) -> None:
    address, harbour = served
    why = "läuft nicht – 停"
    with opened(browser, address) as (page, wrong):
        page.on("dialog", lambda dialog: dialog.accept(why))
        page.click("#act-pause")
        page.wait_for_selector("#act-resume")
        assert "paused" in page.inner_text("#acted").lower()
        page.wait_for_function("why => document.querySelector('#trail').textContent.includes(why)", arg=why)
        assert harbour.state.audit.of("churn")[-1].why == why
        page.click("#act-resume")
        page.wait_for_selector("#act-pause")
        assert wrong == []


def test_a_refusal_is_told_on_the_page(browser: Any, served: tuple[str, Harbour]) -> None:
    with opened(browser, served[0]) as (page, _):
        page.on("dialog", lambda dialog: dialog.accept(" "))
        page.click("#act-rollback")
        page.wait_for_function("document.querySelector('#acted').textContent.includes('reason')")
        assert page.evaluate("document.querySelector('#acted').classList.contains('bad')")


def test_a_cell_opens_before_and_after_by_a_click_and_by_its_button(browser: Any, tmp_path: Path) -> None:
    harbour = Harbour(tmp_path)
    with gateway_worker(tmp_path):
        seen = Watched(harbour)
        house = house_of(tmp_path, harbour)
        house.__dict__["reader"] = Rows(seen)
        with serving(house) as address, opened(browser, address, charts=3) as (page, wrong):
            page.click("#watch button.cell")
            page.wait_for_function("document.querySelectorAll('#opened .chart svg').length === 1")
            assert "tenure" in page.inner_text("#opened h2")
            page.evaluate("document.querySelector('#opened').replaceChildren()")
            page.click("#watch .chart svg .mark-rect path >> nth=0")
            page.wait_for_function("document.querySelectorAll('#opened .chart svg').length === 1")
            assert "mean, in sd of the reference" in page.inner_text("#opened")
            assert wrong == []
    harbour.close()


def test_the_file_opens_its_cells_without_a_server(browser: Any, tmp_path: Path) -> None:
    harbour = Harbour(tmp_path)
    with gateway_worker(tmp_path):
        watched = Watched(harbour)
    seen = seen_of(harbour.state, "churn", harbour.clock.now, ledger=watched.ledger)
    harbour.close()
    file = tmp_path / "watch.html"
    file.write_text(seen_page(seen), "utf-8")
    room = browser.new_context()
    page, wrong = room.new_page(), []
    page.on("console", lambda m: wrong.append(m.text) if m.type in ("error", "warning") else None)
    page.on("request", lambda r: None if r.url.startswith(("file:", "data:")) else wrong.append(r.url))
    page.goto(file.as_uri())
    page.wait_for_function(f"document.querySelectorAll('.chart svg').length === {3 + len(seen.opened)}")
    first = seen.opened[0].id
    page.evaluate(f"window.seatrialOpen('#{first}')")
    page.wait_for_function(f"document.activeElement.id === '{first}'")
    assert wrong == []
    room.close()


class Rows:
    """A reader whose rows lie in memory."""

    def __init__(self, watched: Watched) -> None:
        self._watched = watched

    def open(self, _deployment: str) -> Any:
        return self._watched.ledger()


@pytest.mark.parametrize(("made", "words"), [(contested, "Experiment"), (in_shadow, "on the same requests")])
def test_experiments_and_shadows_are_seen_on_a_phone_too(browser: Any, tmp_path: Path, made: Any, words: str) -> None:
    with made(tmp_path) as (house, _), serving(house) as address:
        for width in (1280, 390):
            room = browser.new_context(viewport={"width": width, "height": 900})
            page = room.new_page()
            page.goto(f"{address}/deployments/churn")
            assert words in page.inner_text("#verdict") or width == 390
            assert page.locator("#verdict table").count() >= 1
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            room.close()
