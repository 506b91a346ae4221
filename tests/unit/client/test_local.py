"""Local decisions: the same as a gateway's, from the published files, fresh, and without a network."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from seatrial.client import AsyncClient, Client
from seatrial.client.local import REFRESH_SECONDS, LocalDecisions
from seatrial.releases.publication import Publication
from seatrial.routing.router import Router
from seatrial.routing.snapshot import Arm, ContextKey, Entry, Slot, Snapshot
from seatrial.spec.errors import BadInput, NotFound, Unavailable
from seatrial.spec.signature import Answer, Feature, Signature, Tensor

SIGNATURE = Signature(
    task="regression",
    features=(Feature(name="x", kind="number"),),
    inputs=(Tensor(name="X", datatype="FP32", shape=(-1, 1), features=("x",)),),
    outputs=(Tensor(name="y", datatype="FP32", shape=(-1, 1)),),
    answer=Answer(prediction="y"),
)


def snapshot(revision: int, champion: float, deployment: str = "churn") -> Snapshot:
    slots = tuple(
        Slot(variant=name, model="m", version=n, digest="d", path="/nowhere", runtime="onnx", signature=SIGNATURE)
        for n, name in enumerate(("champion", "challenger"), start=1)
    )
    arms = (Arm("champion", champion), Arm("challenger", 1 - champion))
    return Snapshot(
        deployment=deployment,
        revision=revision,
        task="regression",
        unit_name="customer",
        unit_from="customer_id",
        context=(ContextKey("customer_id", "string", optional=True),),
        slots=slots,
        default="champion",
        entries=(Entry(name="all", arms=arms, salt="s", release="r", phase=1),),
    )


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def local(tmp_path: Path, clock: Clock) -> LocalDecisions:
    Publication(tmp_path).publish(snapshot(1, 0.5), timeout=1)
    return LocalDecisions(tmp_path, monotonic=clock)


def test_decides_as_the_router_of_a_gateway(local: LocalDecisions) -> None:
    router = Router(snapshot(1, 0.5))
    for n in range(200):
        found = local.assign("churn", "r", f"unit-{n}", None)
        expected = router.decide(f"unit-{n}")
        assert (found.variant, found.reason, found.propensity) == (expected.variant, "split", 0.5)
        assert found.model_version == {"champion": "m:1", "challenger": "m:2"}[found.variant]
        assert found.revision == 1
        assert found.unit == f"unit-{n}"


def test_the_unit_comes_from_the_request_then_from_the_context_then_from_nowhere(local: LocalDecisions) -> None:
    router = Router(snapshot(1, 0.5))
    for n in range(100):
        assert local.assign("churn", "r", None, {"customer_id": f"c{n}"}).variant == router.decide(f"c{n}").variant
        assert local.assign("churn", "r", f"u{n}", {"customer_id": "c"}).variant == router.decide(f"u{n}").variant
        assert local.assign("churn", f"r{n}", None, None).variant == router.decide(f"r{n}").variant
        assert local.assign("churn", "r", n, None).variant == router.decide(str(n)).variant


def test_context_is_held_to_what_is_declared(tmp_path: Path, local: LocalDecisions, clock: Clock) -> None:
    with pytest.raises(BadInput, match="context key 'land' is not declared; the deployment declares: customer_id"):
        local.assign("churn", "r", "u", {"land": "FR"})
    with pytest.raises(BadInput, match=r"context.customer_id: expected a string, got 3"):
        local.assign("churn", "r", "u", {"customer_id": 3})
    required = msgspec.structs.replace(snapshot(2, 0.5), context=(ContextKey("customer_id", "string"),))
    Publication(tmp_path).publish(required, timeout=1)
    clock.now += REFRESH_SECONDS
    with pytest.raises(BadInput, match=r"context.customer_id is missing"):
        local.assign("churn", "r", "u", None)


def test_a_new_revision_is_seen_after_the_refresh(tmp_path: Path, local: LocalDecisions, clock: Clock) -> None:
    units = [f"u{n}" for n in range(50)]
    assert {local.assign("churn", "r", unit, None).variant for unit in units} == {"champion", "challenger"}
    Publication(tmp_path).publish(snapshot(2, 1.0), timeout=1)
    clock.now += REFRESH_SECONDS
    assert {local.assign("churn", "r", unit, None).variant for unit in units} == {"champion"}


def test_nobody_waits_for_a_local_client(tmp_path: Path, local: LocalDecisions) -> None:
    local.assign("churn", "r", "u", None)
    assert Publication(tmp_path).workers() == ()
    Publication(tmp_path).publish(snapshot(2, 0.9), timeout=0)


def test_a_broken_snapshot_leaves_the_last_one_in_force(tmp_path: Path, local: LocalDecisions, clock: Clock) -> None:
    before = local.assign("churn", "r", "u", None)
    (tmp_path / "gateway" / "active" / "churn.json").write_text("{")
    clock.now += REFRESH_SECONDS
    assert local.assign("churn", "r", "u", None) == before
    with pytest.raises(Unavailable, match="cannot be read"):
        LocalDecisions(tmp_path).assign("churn", "r", "u", None)


def test_a_removed_deployment_is_gone(tmp_path: Path, local: LocalDecisions, clock: Clock) -> None:
    local.assign("churn", "r", "u", None)
    Publication(tmp_path).remove("churn")
    clock.now += REFRESH_SECONDS
    with pytest.raises(NotFound, match="no deployment 'churn'"):
        local.assign("churn", "r", "u", None)


@pytest.mark.parametrize(("unit", "words"), [("", "empty"), ("x" * 10_000, "10000 bytes"), (1.5, "expected a string")])
def test_a_bad_unit_is_refused(local: LocalDecisions, unit: Any, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        local.assign("churn", "r", unit, None)


def test_the_client_decides_without_a_network(tmp_path: Path, nobody: str) -> None:
    Publication(tmp_path).publish(snapshot(1, 0.5), timeout=1)
    with Client(nobody, local=True, home=tmp_path) as client:
        assert client.assign("churn", "u").variant == Router(snapshot(1, 0.5)).decide("u").variant
        with pytest.raises(BadInput, match="local client decides"):
            client.predict("churn", {})
        with pytest.raises(NotFound):
            client.assign("other", "u", default="champion")


async def _assign(home: Path, url: str) -> str:
    async with AsyncClient(url, local=True, home=home) as client:
        return (await client.assign("churn", "u")).variant


def test_the_asynchronous_client_too(tmp_path: Path, nobody: str) -> None:
    import asyncio

    Publication(tmp_path).publish(snapshot(1, 0.5), timeout=1)
    assert asyncio.run(_assign(tmp_path, nobody)) == Router(snapshot(1, 0.5)).decide("u").variant


def test_home_is_the_settings_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nobody: str) -> None:
    Publication(tmp_path / "there").publish(snapshot(1, 1.0), timeout=1)
    monkeypatch.setenv("SEATRIAL_HOME", str(tmp_path / "there"))
    with Client(nobody, local=True) as client:
        assert client.assign("churn", "u").variant == "champion"
