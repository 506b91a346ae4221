"""Pages as the server writes them: with nothing, with a release, with drift."""

import json
import re
from urllib.parse import quote

import pytest

from seatrial.dashboard.house import House
from seatrial.reports.points import VerdictPoint
from seatrial.reports.prose import GAP
from seatrial.spec.errors import Unavailable
from tests.harbour import PLAIN, Harbour
from tests.houses import TestClient
from tests.unit.experiments.test_beside import judged

PARTS = ("now", "verdict", "traffic", "watch", "trail")
BROWSER = {"accept": "text/html,application/xhtml+xml"}


def charts(html: str) -> list[dict[str, object]]:
    return [json.loads(text) for text in re.findall(r'"application/vega\+json">(.*?)</script>', html, re.DOTALL)]


def test_no_deployment_says_what_to_do(nobody: TestClient) -> None:
    page = nobody.get("/").text
    assert "Nothing is deployed yet" in page
    assert "seatrial apply" in page


def test_the_list_says_who_is_in_command_and_who_is_on_the_way(client: TestClient) -> None:
    page = client.get("/").text
    assert 'href="/deployments/churn"' in page
    assert "churn:1 is in command; churn:2 is in a test on live traffic" in page
    assert f"challenger 50{GAP}%" in page


def test_a_page_stands_whole_when_it_is_opened(client: TestClient) -> None:
    page = client.get("/deployments/churn").text
    for part in PARTS:
        assert f'hx-get="/deployments/churn/{part}"' in page
    assert len(charts(page)) == 6  # verdict, share, requests, latency, drift, alerts beside releases
    assert "Undefined" not in page


@pytest.mark.parametrize("part", PARTS)
def test_a_part_alone_is_what_the_page_holds(client: TestClient, part: str) -> None:
    alone = client.get(f"/deployments/churn/{part}").text
    assert alone in client.get("/deployments/churn").text
    assert "<html" not in alone


def test_the_range_is_kept_by_the_parts(client: TestClient) -> None:
    page = client.get("/deployments/churn?last=1 h").text
    assert 'hx-get="/deployments/churn/traffic?last=1%20h"' in page
    assert "last 1 h" in page
    assert client.get("/deployments/churn?last=<script>").text.count("<script>alert") == 0


def test_drift_and_alerts_are_told_as_text(client: TestClient) -> None:
    assert "tenure moved far." in client.get("/deployments/churn/watch").text
    trail = client.get("/deployments/churn/trail").text
    assert "Drift of &lt;tenure&gt;." in trail
    assert "<tenure>" not in trail


def test_a_deployment_without_traffic_or_release_has_a_page(nobody: TestClient) -> None:
    house = nobody.app.state.house  # type: ignore[attr-defined]
    harbour = Harbour(house.settings.home)
    harbour.apply(PLAIN)
    harbour.close()
    page = nobody.get("/deployments/churn").text
    for words in ("churn:1 is in command.", "No release has been judged yet.", "No requests in this time."):
        assert words in page
    assert charts(page) == []
    assert "<button" not in page


def test_home_and_page_call_the_same_state_by_the_same_word(client: TestClient, nobody: TestClient) -> None:
    home, page = client.get("/").text, client.get("/deployments/churn/now").text
    assert re.findall(r'class="badge (\w*)">([\w ]+)<', home) == re.findall(r'class="badge (\w*)">([\w ]+)<', page)
    assert nobody.get("/").text.count("badge") == 0


def test_a_row_of_the_verdict_explains_itself_and_a_narrow_page_knows_its_columns(client: TestClient) -> None:
    rows = client.get("/deployments/churn/verdict").text
    assert f"-1.33 to +5.33{GAP}points" in rows
    assert "share of" in rows
    assert 'data-label="units">900 / 880' in rows
    assert "[" not in re.sub(r"<script.*?</script>", "", rows, flags=re.DOTALL)


def test_an_unknown_deployment_names_those_there_are(client: TestClient, nobody: TestClient) -> None:
    assert "There is no deployment <code>nope</code>; there is: <code>churn</code>." in (
        client.get("/deployments/nope", headers=BROWSER).text
    )
    assert "nothing is deployed" in nobody.get("/deployments/nope", headers=BROWSER).text


def test_the_audit_shows_names_as_code(client: TestClient) -> None:
    trail = client.get("/deployments/churn/trail").text
    assert "<code>champion</code>" in trail
    assert "`" not in trail


def test_a_part_that_cannot_be_told_leaves_the_others_standing(
    client: TestClient, lived: tuple[House, Harbour], monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object, **__: object) -> None:
        raise Unavailable("the disk is <full>")

    monkeypatch.setattr(lived[0].traffic, "read", away)
    page = client.get("/deployments/churn")
    assert page.status_code == 200
    assert "the disk is &lt;full&gt;" in page.text
    assert "Audit trail" in page.text


def test_a_browser_gets_a_page_for_a_wrong_address_and_a_program_json(client: TestClient) -> None:
    page = client.get("/deployments/nope?<b>", headers=BROWSER)
    assert page.status_code == 404
    assert page.headers["content-type"].startswith("text/html")
    assert "nope" in page.text
    assert "<b>" not in page.text
    assert "error" in client.get("/deployments/nope").json()
    assert "error" in client.get("/api/deployments/nope", headers=BROWSER).json()
    assert "error" in client.get("/deployments/churn/nope", headers={**BROWSER, "hx-request": "true"}).json()


def test_no_asset_comes_from_another_host(client: TestClient) -> None:
    for path in ("/", "/deployments/churn"):
        page = client.get(path).text
        assets = re.findall(r'(?:src|href|hx-get|hx-post)="([^"]*)"', page)
        assert assets
        assert [a for a in assets if not a.startswith(("/", "?", "data:"))] == []
        for asset in assets:
            if asset.startswith("/static/"):
                assert client.get(asset).status_code == 200
    style = client.get("/static/style.css").text
    assert "url(" not in style
    assert "@import" not in style


@pytest.mark.parametrize("name", ["..%2fpage.py", "LICENSES.txt", "nothing.js", "%2e%2e/points.py"])
def test_only_its_own_assets_are_given(client: TestClient, name: str) -> None:
    assert client.get(f"/static/{name}").status_code == 404


@pytest.mark.parametrize(
    ("headers", "why"),
    [
        ({"hx-prompt": quote("läuft nicht – 停"), "hx-prompt-uri-autoencoded": "true"}, "läuft nicht – 停"),
        ({"hx-prompt": "50%25 of them"}, "50%25 of them"),
    ],
)
def test_a_button_acts_with_its_reason_whatever_its_letters(
    client: TestClient, headers: dict[str, str], why: str
) -> None:
    answer = client.post("/deployments/churn/act/pause", headers={**headers, "hx-request": "true"})
    assert answer.status_code == 200, answer.text
    newest = client.get("/api/deployments/churn/history").json()[-1]
    assert (newest["actor"], newest["why"]) == ("dashboard", why)
    again = client.post("/deployments/churn/act/resume", headers={"hx-request": "true", "hx-prompt": "on"})
    assert again.status_code == 200


def test_a_button_without_a_reason_does_nothing(client: TestClient) -> None:
    answer = client.post("/deployments/churn/act/pause", headers={"hx-request": "true", "hx-prompt": " "})
    assert answer.status_code == 400
    assert "reason" in answer.json()["error"]
    assert client.get("/api/deployments/churn").json()["run"]["status"] != "paused"


def test_the_verdict_says_how_its_band_may_be_read_and_what_stands_beside(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = judged()
    monkeypatch.setattr(House, "judgement", lambda *_: now)
    looks = (VerdictPoint(now.at, "conversion", 0.0, -0.1, 0.1, "inconclusive", 4000),)
    monkeypatch.setattr(House, "verdict_points", lambda *_, **__: looks)
    part = client.get("/deployments/churn/verdict").text
    assert "Each band holds at every look together: it may be read at any time." in part
    assert "Expected loss of choosing: challenger " in part
