"""The page of an experiment in a real browser: every chart is drawn, nothing complains, nothing leaves the file."""

import shutil
from pathlib import Path

import pytest

from seatrial.analysis.judging import judge
from tests.unit.analysis.test_page import units

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install seatrial[dev]")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM, reason="no Chromium on this machine: the page was not seen in a browser"),
]


@pytest.mark.parametrize(("scheme", "width"), [("light", 1200), ("dark", 390)])
def test_every_chart_is_drawn_and_nothing_complains(tmp_path: Path, scheme: str, width: int) -> None:
    found = judge(units(), metrics={"x": "mean:x"}, over_time=True, segments=["country"])
    file = tmp_path / "page.html"
    file.write_text(found.to_html("Prices"), "utf-8")
    wrong: list[str] = []
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
        page.on("console", lambda m: wrong.append(m.text) if m.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("request", lambda r: None if r.url.startswith(("file:", "data:")) else wrong.append(r.url))
        page.goto(f"file://{file}")
        page.wait_for_function("document.querySelectorAll('.chart svg').length === 5")
        wider = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        browser.close()
    assert wrong == []
    assert wider <= 0
