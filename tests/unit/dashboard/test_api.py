"""The control API: what it tells, what it refuses, and in which words."""

import pytest

from seatrial.dashboard.house import House
from tests.harbour import PLAIN, Harbour
from tests.houses import TestClient


@pytest.mark.parametrize(
    ("path", "has"),
    [
        ("/api/deployments/churn", "variants"),
        ("/api/deployments/churn/judge", "recommendation"),
    ],
)
def test_one_thing_is_an_object(client: TestClient, path: str, has: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 200, answer.text
    assert has in answer.json()


def test_lists_hold_what_was_written(client: TestClient) -> None:
    def get(path: str) -> list[dict[str, object]]:
        answer = client.get(f"/api/deployments{path}")
        assert answer.status_code == 200, answer.text
        found = answer.json()
        assert isinstance(found, list)
        return found

    assert [d["deployment"] for d in get("")] == ["churn"]
    assert len(get("/churn/verdicts")) == 3
    assert len(get("/churn/verdicts?limit=2")) == 2
    assert [w["sentence"] for w in get("/churn/windows")] == ["All as in the reference.", "tenure moved far."]
    assert "data.major" in [a["event"] for a in get("/churn/alerts")]
    assert get("/churn/history")[0]["action"] == "apply"


def test_one_request_is_explained(client: TestClient) -> None:
    story = client.get("/api/requests/r7").json()
    assert story["rows"][0]["unit"] == "c7"


@pytest.mark.parametrize(
    "path", ["", "/judge", "/verdicts", "/windows", "/alerts", "/alerts/standing", "/notices", "/history"]
)
def test_an_unknown_deployment_is_not_an_empty_answer(client: TestClient, path: str) -> None:
    answer = client.get(f"/api/deployments/chrun{path}")
    assert answer.status_code == 404
    assert "chrun" in answer.json()["error"]


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "says"),
    [
        ("GET", "/api/nowhere", None, 404, "/api/nowhere"),
        ("GET", "/api/requests/r999", None, 404, "r999"),
        ("GET", "/api/deployments/churn/alerts?limit=0", None, 400, "limit"),
        ("GET", "/api/deployments/churn/windows?since=monday", None, 400, "monday"),
        ("DELETE", "/api/deployments/churn", None, 403, "JSON or YAML"),
        ("POST", "/api/deployments/churn/pause", {}, 400, "reason"),
        ("POST", "/api/deployments/churn/pause", {"reason": ""}, 400, "reason"),
        ("POST", "/api/deployments/churn/pause", {"reason": " "}, 400, "reason"),
        ("POST", "/api/deployments/chrun/pause", {"reason": "why not"}, 404, "chrun"),
        ("POST", "/api/deployments/churn/resume", {"reason": "it is not paused"}, 409, "paused"),
        ("POST", "/api/deployments/churn/alerts/999/ack", {"reason": "mine"}, 404, "999"),
        ("POST", "/api/deployments/churn/alerts/1/ack", {}, 400, "reason"),
        ("POST", "/api/deployments/churn/alerts/mute", {"what": "datta", "for": "1d", "reason": "x"}, 400, "`data`"),
        ("POST", "/api/deployments/churn/alerts/mute", {"what": "data", "for": "long", "reason": "x"}, 400, "long"),
        ("POST", "/api/deployments/churn/alerts/unmute", {"what": "quality", "reason": "x"}, 404, "not muted"),
        ("POST", "/api/deployments/churn/alerts/test", {}, 400, "names nobody"),
        ("POST", "/api/deployments/churn/explode", {"reason": "boom"}, 404, "explode"),
    ],
)
def test_errors_are_one_sentence(
    client: TestClient, method: str, path: str, body: object, status: int, says: str
) -> None:
    answer = client.request(method, path, json=body) if body is not None else client.request(method, path)
    assert answer.status_code == status, answer.text
    assert list(answer.json()) == ["error"]
    assert says in answer.json()["error"]


def test_pause_and_resume_act_and_are_audited(client: TestClient) -> None:
    for action, why in (("pause", "der Etikettenjob läuft nicht – 停"), ("resume", "läuft wieder")):
        answer = client.post(f"/api/deployments/churn/{action}", json={"reason": why})
        assert answer.status_code == 200, answer.text
        newest = client.get("/api/deployments/churn/history").json()[-1]
        assert (newest["actor"], newest["action"], newest["why"]) == ("api", action, why)


def test_a_file_is_planned_and_a_bad_one_refused(client: TestClient, lived: tuple[House, Harbour]) -> None:
    revision = lived[1].publication.active("churn")
    kind = {"content-type": "application/yaml"}
    bad = client.post("/api/deployments?plan=true", content=PLAIN.replace("variants", "varaints"), headers=kind)
    assert bad.status_code == 400
    assert "varaints" in bad.json()["error"]
    assert lived[1].publication.active("churn") == revision


def test_the_api_describes_every_path_that_it_has(client: TestClient) -> None:
    described = client.get("/api/openapi.json").json()
    assert {
        "/api/deployments",
        "/api/deployments/{name}",
        "/api/deployments/{name}/judge",
        "/api/deployments/{name}/rollback",
        "/api/requests/{request_id}",
    } <= set(described["paths"])
    assert all(path.startswith("/api/") for path in described["paths"])
    assert all(operation["summary"] for path in described["paths"].values() for operation in path.values())


def test_an_alert_is_taken_on_and_muted_by_the_api(client: TestClient) -> None:
    def post(path: str, **body: str) -> dict[str, object]:
        answer = client.post(f"/api/deployments/churn/alerts/{path}", json=body)
        assert answer.status_code == 200, answer.text
        found: dict[str, object] = answer.json()
        return found

    alert = next(a for a in client.get("/api/deployments/churn/alerts").json() if a["event"] == "data.major")
    assert post(f"{alert['id']}/ack", reason="on it")["acked_by"] == "api"
    assert post("mute", what="data", **{"for": "1d"}, reason="the sale is on")["what"] == "data"
    standing = client.get("/api/deployments/churn/alerts/standing").json()
    assert [mute["why"] for mute in standing["mutes"]] == ["the sale is on"]
    assert post("unmute", what="data", reason="over") == {"ended": 1}
    actions = [entry["action"] for entry in client.get("/api/deployments/churn/history").json()]
    assert actions[-3:] == ["ack", "mute", "unmute"]
    assert client.get("/api/deployments/churn/notices").json() == []
