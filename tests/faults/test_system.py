"""Promises of the whole system, each held against the fault it is about, with real processes."""

import http.client
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from threading import Thread

import grpc
import msgspec
import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from seatrial.control.apply import apply
from seatrial.control.queries import history
from seatrial.ledger.reader import Reader
from seatrial.models.register import register
from seatrial.models.registry import Registry
from seatrial.processes.home import write_running
from seatrial.protocol.messages import MESSAGES, SERVICE
from seatrial.releases.publication import PreparationFailed
from tests.live import Caller, LiveSystem, Load
from tests.waiting import wait_for

pytestmark = [pytest.mark.processes, pytest.mark.timeout(600)]

FEATURES: dict[str, object] = {"a": 0.25, "b": -1.0}
FILE = """
deployment: ring
variants:
  champion: {{model: models:/ring/{version}, timeout: 30s}}
outcomes:
  clicked: {{}}
"""


def make_models(system: LiveSystem, versions: int) -> None:
    rng = np.random.default_rng(7)
    frame = pd.DataFrame({"a": rng.normal(size=200), "b": rng.normal(size=200)})
    for version in range(versions):
        frame["label"] = (frame["a"] * (version + 1) + frame["b"] > 0).astype(int)
        model = LogisticRegression().fit(frame[["a", "b"]], frame["label"])
        register("ring", model, data=frame, target="label", settings=system.settings)


def put(system: LiveSystem, version: int) -> None:
    apply(FILE.format(version=version), system.settings, actor="test")


@pytest.fixture
def system(tmp_path: Path) -> Iterator[LiveSystem]:
    system = LiveSystem(tmp_path, workers=2)
    make_models(system, 2)
    put(system, 1)
    with system:
        yield system


def rows(system: LiveSystem) -> int:
    with Reader(system.home).open("ring") as view:
        return int(view.sql("select count(*) as n from rows", {}).column("n")[0].as_py())


def outcome_ids(system: LiveSystem) -> set[str]:
    with Reader(system.home).open("ring") as view:
        return set(view.sql("select id from outcomes", {}).column("id").to_pylist())


def selfcheck(system: LiveSystem) -> dict[str, object]:
    caller = system.caller()
    try:
        body = caller("GET", "/v1/selfcheck").body
        assert isinstance(body, dict)
        return body
    finally:
        caller.close()


def test_a_thousand_requests_are_a_thousand_rows(system: LiveSystem) -> None:
    def send(chunk: int) -> list[int]:
        caller = system.caller()
        statuses = [
            caller("POST", "/v1/deployments/ring/predict", {"unit": f"{chunk}-{i}", "features": FEATURES}).status
            for i in range(125)
        ]
        caller.close()
        return statuses

    with ThreadPoolExecutor(8) as pool:
        statuses = [status for chunk in pool.map(send, range(8)) for status in chunk]
    assert statuses == [200] * 1000
    wait_for(lambda: rows(system) == 1000, what="a thousand rows")
    assert selfcheck(system)["balanced"] is True


def test_swaps_under_load_good_failing_and_back_fail_no_request(system: LiveSystem) -> None:
    with Load(system, "ring", FEATURES) as load:
        load.answered_more(200)
        put(system, 2)
        load.answered_more(200)
        with pytest.raises(Exception, match="9"):
            put(system, 9)
        load.answered_more(200)
        put(system, 1)
        load.answered_more(200)
    assert dict(load.answered.items() - {(200, load.answered[200])}) == {}, load.sentences
    assert load.broken == 0
    assert set(load.versions) == {"ring:1", "ring:2"}


def test_a_version_that_a_worker_cannot_load_is_withdrawn_under_load(system: LiveSystem) -> None:
    """Its files are not those that were registered any more, which the registry does not see and every worker does."""
    digest, files = Registry(system.settings).materialise("ring", 2, system.home / "store")
    model = next(path for path in files.rglob("*.onnx"))
    with Load(system, "ring", FEATURES) as load:
        load.answered_more(100)
        model.write_bytes(model.read_bytes()[:-50])
        with pytest.raises(PreparationFailed, match=digest[:12]):
            put(system, 2)
        load.answered_more(200)
    assert set(load.answered) == {200}, load.sentences
    assert load.broken == 0
    assert set(load.versions) == {"ring:1"}
    assert "withdrawn" in {entry.action for entry in history(system.settings, "ring")}


def test_a_killed_worker_loses_no_acknowledged_outcome_and_the_books_balance(system: LiveSystem) -> None:
    with Load(system, "ring", FEATURES) as load:
        load.answered_more(300)
        first = system.kill("w0")
        wait_for(lambda: system.running.children.get("w0", first) != first, what="another worker in its place")
        load.answered_more(300)
    assert load.acknowledged
    assert set(load.answered) == {200}, load.sentences
    wait_for(lambda: set(load.acknowledged) <= outcome_ids(system), what="every acknowledged outcome")
    wait_for(lambda: selfcheck(system)["balanced"], what="balanced books")


def test_serving_goes_on_without_control_compactor_and_dashboard(system: LiveSystem) -> None:
    with Load(system, "ring", FEATURES) as load:
        for child in ("control", "compactor", "dashboard"):
            pid = system.kill(child)
            load.answered_more(100)
            wait_for(lambda c=child, p=pid: system.running.children.get(c, p) != p, what=f"another {child}")
    assert set(load.answered) == {200}, load.sentences
    assert load.broken == 0
    answered = load.answered[200] - len(load.acknowledged)
    wait_for(lambda: rows(system) == answered, what="one row a request")


def test_a_stopped_control_does_not_keep_people_from_acting(system: LiveSystem) -> None:
    put(system, 2)
    os.kill(system.pid("control"), signal.SIGSTOP)
    try:
        with Load(system, "ring", FEATURES) as load:
            load.answered_more(50)
        assert set(load.answered) == {200}
    finally:
        os.kill(system.pid("control"), signal.SIGCONT)


def test_a_second_system_in_the_same_home_is_refused_in_words(system: LiveSystem) -> None:
    said = system.command("up", "--detach")
    assert said.returncode == 2
    assert "already up" in said.stderr
    assert system.running.http in said.stderr


def test_a_taken_port_is_named_with_the_mend(system: LiveSystem, tmp_path: Path) -> None:
    other = LiveSystem(tmp_path / "other")
    other.home.mkdir(parents=True, exist_ok=True)  # it was up at this very address once, and was killed
    write_running(other.home, msgspec.structs.replace(system.running, pid=1))
    other.environment["SEATRIAL_HTTP"] = system.running.http
    said = other.command("up", "--detach")
    assert said.returncode == 2
    assert system.running.http.split(":")[1] in said.stderr
    assert "SEATRIAL_HTTP" in said.stderr


def test_grpc_is_served_by_every_worker_and_its_port_is_nobody_elses(system: LiveSystem, tmp_path: Path) -> None:
    address = system.running.grpc
    assert address is not None
    request = MESSAGES["ModelInferRequest"](model_name="ring")
    for name, value in FEATURES.items():
        given = request.inputs.add(name=name, datatype="FP64", shape=[1])
        given.contents.fp64_contents.append(value)
    for _ in range(8):
        with grpc.insecure_channel(address, (("grpc.use_local_subchannel_pool", 1),)) as channel:
            said = channel.unary_unary(f"/{SERVICE}/ModelInfer")(request.SerializeToString(), timeout=30)
            assert MESSAGES["ModelInferResponse"].FromString(said).model_name == "ring"
    other = LiveSystem(tmp_path / "other")
    other.environment["SEATRIAL_GRPC"] = address
    refused = other.command("up", "--detach")
    assert refused.returncode == 2
    assert address.split(":")[1] in refused.stderr
    assert "SEATRIAL_GRPC" in refused.stderr


def test_stopping_drains_and_leaves_a_readable_ledger(tmp_path: Path) -> None:
    system = LiveSystem(tmp_path)
    make_models(system, 1)
    put(system, 1)
    with system:
        caller = system.caller()
        for i in range(40):
            assert caller("POST", "/v1/deployments/ring/predict", {"unit": str(i), "features": FEATURES}).status == 200
        caller.close()
        assert system.stop() == 0
    assert rows(system) == 40
    events = [
        json.loads(line)["message"] for line in (system.home / "logs" / "supervisor.log").read_text().splitlines()
    ]
    assert "killed" not in events


def test_who_was_answered_while_it_stopped_is_in_the_ledger(tmp_path: Path) -> None:
    """SIGTERM comes amid requests: each is answered and written, or its connection is refused before it began."""
    system = LiveSystem(tmp_path, workers=2)
    make_models(system, 1)
    put(system, 1)
    answered: list[str] = []
    statuses: set[int] = set()

    def send(caller: Caller, index: int) -> None:
        for number in count():
            unit = f"{index}-{number}"
            try:
                status = caller("POST", "/v1/deployments/ring/predict", {"unit": unit, "features": FEATURES}).status
            except (OSError, http.client.HTTPException):
                return
            statuses.add(status)
            if status == 200:
                answered.append(unit)

    with system:
        callers = [system.caller() for _ in range(4)]
        threads = [Thread(target=send, args=(caller, i), daemon=True) for i, caller in enumerate(callers)]
        for thread in threads:
            thread.start()
        wait_for(lambda: len(answered) > 300, what="requests under way")
        assert system.stop() == 0
        for thread in threads:
            thread.join(30)
        assert not any(thread.is_alive() for thread in threads)
        for caller in callers:
            caller.close()
    assert statuses <= {200, 503}
    with Reader(system.home).open("ring") as view:
        written = set(view.sql("select unit from rows where status = 'ok'", {}).column("unit").to_pylist())
    assert set(answered) <= written


def test_load_balancers_are_told_before_the_door_closes(tmp_path: Path) -> None:
    """For as long as `drain_notice` says who asks anew is served, and hears that he had better ask elsewhere."""
    system = LiveSystem(tmp_path)
    system.environment["SEATRIAL_DRAIN_NOTICE"] = "6"
    make_models(system, 1)
    put(system, 1)

    def anew(method: str, path: str, body: object = None) -> int:
        caller = system.caller()
        try:
            return caller(method, path, body).status
        finally:
            caller.close()

    with system:
        address = system.running.http
        assert anew("GET", "/v2/health/ready") == 200
        assert system.process is not None
        system.process.terminate()
        wait_for(lambda: anew("GET", "/v2/health/ready") == 503, what="readiness to go")
        assert anew("POST", "/v1/deployments/ring/predict", {"features": FEATURES}) == 200
        assert anew("GET", "/v2/health/live") == 200
        assert system.process.poll() is None
        assert system.stop() == 0
        with pytest.raises(OSError, match="refused"):
            Caller(address)("GET", "/v2/health/live")
    assert rows(system) == 1


def test_an_open_address_without_a_key_is_refused(tmp_path: Path) -> None:
    system = LiveSystem(tmp_path)
    environment = {**system.environment, "SEATRIAL_HTTP": "0.0.0.0:0"}
    said = subprocess.run(
        [sys.executable, "-m", "seatrial.processes"], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert said.returncode == 2
    assert "SEATRIAL_KEY" in said.stderr
