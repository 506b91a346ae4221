"""Who may use the control port."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harbour import Harbour
from tests.houses import TestClient, house_of, visitor

KEY = "correct-horse-battery-staple"


@pytest.fixture
def keyed(tmp_path: Path) -> Iterator[TestClient]:
    harbour = Harbour(tmp_path)
    with visitor(house_of(tmp_path, harbour, SEATRIAL_KEY=KEY)) as one:
        yield one
    harbour.close()


@pytest.mark.parametrize("path", ["/", "/api/deployments", "/api/openapi.json", "/static/style.css"])
def test_without_the_key_nothing_is_told(keyed: TestClient, path: str) -> None:
    for headers in ({}, {"authorization": "Bearer wrong"}, {"authorization": "Bearer "}, {"cookie": "seatrial_key=x"}):
        answer = keyed.get(path, headers=headers)
        assert answer.status_code == 401
        assert KEY not in answer.text
        assert list(answer.json()) == ["error"]


def test_the_key_opens_by_header(keyed: TestClient) -> None:
    assert keyed.get("/api/deployments", headers={"authorization": f"Bearer {KEY}"}).json() == []


def test_the_key_in_an_address_becomes_a_cookie_that_scripts_and_other_sites_cannot_use(keyed: TestClient) -> None:
    answer = keyed.get(f"/?key={KEY}")
    assert answer.status_code == 200
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert keyed.get("/").status_code == 200  # the cookie goes on
    assert KEY not in keyed.get("/").text


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8082", "localhost.evil.example", "127.evil.example"])
def test_a_foreign_name_for_this_machine_is_refused(nobody: TestClient, host: str) -> None:
    answer = nobody.get("/api/deployments", headers={"host": host})
    assert answer.status_code == 403
    assert "localhost" in answer.json()["error"]


@pytest.mark.parametrize("host", ["localhost", "localhost:8082", "127.0.0.1:8082", "[::1]:8082"])
def test_this_machine_answers_to_its_own_names(nobody: TestClient, host: str) -> None:
    assert nobody.get("/api/deployments", headers={"host": host}).status_code == 200


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "multipart/form-data", "text/plain", ""])
def test_what_a_foreign_page_can_post_is_refused(client: TestClient, kind: str) -> None:
    before = client.get("/api/deployments/churn/history").json()
    for path in ("/deployments/churn/act/pause", "/api/deployments/churn/pause"):
        answer = client.post(path, content=b'{"reason": "mischief"}', headers={"content-type": kind, "hx-prompt": "x"})
        assert answer.status_code == 403
    assert client.get("/api/deployments/churn/history").json() == before
