"""A remote variant in a system of real processes: broken in every way, killed around, promoted; nobody notices."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.test_system import make_models, selfcheck
from tests.live import LiveSystem, Load
from tests.remotes import Server, floods, hangs, remote_server, resets, says
from tests.waiting import wait_for

pytestmark = [pytest.mark.processes, pytest.mark.timeout(600)]

FILE = """
deployment: ring
unit: {name: customer}
variants:
  champion: {model: models:/ring/1, timeout: 30s}
  legacy:
    timeout: 200ms
    remote: {url: "@/score", body: "{{ features }}", answer: $.score, headers: {Authorization: "Bearer ${RING_TOKEN}"}}
routing:
  - {name: everybody, split: {champion: 50%, legacy: 50%}}
outcomes:
  clicked: {}
"""
SECRET = "hunter2-of-the-ring"

good = says(lambda row: {"score": 0.75 if row["a"] > 0 else 0.25})


@pytest.fixture
def server() -> Iterator[Server]:
    with remote_server(good) as found:
        yield found


@pytest.fixture
def system(tmp_path: Path, server: Server) -> Iterator[LiveSystem]:
    system = LiveSystem(tmp_path, workers=2)
    system.environment["RING_TOKEN"] = SECRET
    make_models(system, 1)
    (tmp_path / "ring.yaml").write_text(FILE.replace("@", server.url))
    with system:
        applied = system.command("apply", "ring.yaml")
        assert applied.returncode == 0, applied.stderr
        yield system


def test_a_remote_variant_in_a_whole_system(system: LiveSystem, server: Server) -> None:
    plan = system.command("apply", "ring.yaml", "--plan")
    assert plan.returncode == 0
    with Load(system, "ring", {"a": 0.25, "b": -1.0}) as load:
        wait_for(lambda: {"ring:1", "legacy"} <= set(load.versions), what="answers of both variants")
        for behave in (hangs, resets, floods):
            server.behave = behave
            load.answered_more(60)
        server.behave = hangs
        killed = system.kill("w0")
        wait_for(lambda: system.running.children.get("w0", killed) != killed, seconds=60, what="another worker")
        load.answered_more(60)
        server.behave = good
        before = load.versions["legacy"]
        wait_for(lambda: load.versions["legacy"] > before + 20, seconds=30, what="answers of the remote variant again")
    assert set(load.answered) == {200}, load.sentences

    wait_for(lambda: selfcheck(system)["balanced"], what="books that balance")
    told = system.command("status", "ring")
    assert " 50%, answered by http://127.0.0.1:" in told.stdout
    status = system.command("status", "ring", "--json")
    assert [one["runtime"] for one in json.loads(status.stdout)["variants"]] == ["onnx", "remote"]
    history = system.command("history", "ring", "--json")
    promoted = system.command("promote", "ring", "--variant", "legacy", "--reason", "it is good")
    assert promoted.returncode == 0, promoted.stderr
    caller = system.caller()
    answer = caller("POST", "/v1/deployments/ring/predict", {"features": {"a": 1.0, "b": 0.0}})
    caller.close()
    assert (answer.body["variant"], answer.body["model_version"]) == ("champion", "legacy")
    assert (answer.body["prediction"], answer.body["score"]) == (1, 0.75)
    explained = system.command("explain", answer.body["request_id"], "--json")
    assert explained.returncode == 0, explained.stderr

    assert all(heard.headers["authorization"] == f"Bearer {SECRET}" for heard in server.heard)
    for text in (plan, told, status, history, promoted, explained):
        assert SECRET not in text.stdout + text.stderr
    kept = {path: path.read_bytes() for path in system.place.rglob("*") if path.is_file()}
    assert any(b"${RING_TOKEN}" in content for content in kept.values())
    assert not [path for path, content in kept.items() if SECRET.encode() in content]


def test_one_that_does_not_answer_gets_no_traffic(system: LiveSystem, server: Server) -> None:
    served = system.command("status", "ring", "--json").stdout
    server.behave = resets
    (system.place / "ring.yaml").write_text(FILE.replace("@", server.url).replace("/score", "/other"))
    refused = system.command("apply", "ring.yaml")
    assert refused.returncode == 3
    assert "/other broke the connection before it answered" in refused.stderr
    assert SECRET not in refused.stderr
    assert json.loads(served)["revision"] == json.loads(system.command("status", "ring", "--json").stdout)["revision"]
