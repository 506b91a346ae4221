"""A function of the application's own, in its process: it throws, prints, hangs, dies, or gives something else."""

import asyncio
import textwrap
from pathlib import Path
from typing import Any

import pytest

from seatrial.models.function_runtime import FunctionRuntime
from seatrial.models.runtimes import RuntimeFailure
from seatrial.routing.snapshot import ContextKey, Snapshot, Transform
from seatrial.serving.loader import Loader
from seatrial.spec.errors import SeatrialError
from seatrial.spec.signature import Answer, Feature, Signature, Tensor
from tests.gateways import BINARY, Bench, Scripted, bench, slot, snapshot
from tests.waiting import wait_for

pytestmark = pytest.mark.processes

MODULE = textwrap.dedent("""
    import os, time
    import numpy as np
    AGES = {"ann": 30.0}
    def look_up(instances):
        what = instances[0]["features"].get("what")
        if what == "throw": raise ValueError("no such customer")
        if what == "hang": time.sleep(3600)
        if what == "print": print("chatter on standard output")
        if what == "die": os._exit(9)
        if what == "few": return []
        if what == "number": return 7
        if what == "more": return [{"age": 1.0, "shoe": 43}]
        return [
            {"age": np.float64(AGES.get(one["unit"], 99)), "income": np.array([5.0])[0], **land(one)}
            for one in instances
        ]
    def land(one): return {"country": one["context"].get("land")}
    broken = 7
""")


@pytest.fixture(autouse=True)
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "shop.py").write_text(MODULE)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{Path(__file__).parents[2]}")


def one(what: str | None = None) -> list[dict[str, Any]]:
    return [{"features": {"what": what}, "unit": "ann", "context": {"land": "FR"}}]


def test_a_function_gives_features_and_survives_its_own_mischief() -> None:
    function = FunctionRuntime("shop:look_up", timeout=20.0)
    try:
        good = [{"age": 30.0, "income": 5.0, "country": "FR"}]
        assert function.call(one()) == good
        for what, words in {
            "throw": "The function shop:look_up failed: ValueError: no such customer",
            "few": "it gave 0 rows for 1",
            "number": "it gave a int where a list of dictionaries",
        }.items():
            with pytest.raises(RuntimeFailure, match=words):
                function.call(one(what))
        assert function.call(one("print")) == good
        pid = function.pid
        with pytest.raises(RuntimeFailure, match=r"its process ended|died"):
            function.call(one("die"))
        wait_for(lambda: function.pid not in (None, pid), seconds=60, what="the function to be back")
        assert function.call(one()) == good
    finally:
        function.close()


def test_a_function_that_hangs_is_ended_and_comes_back() -> None:
    function = FunctionRuntime("shop:look_up", timeout=0.2)
    try:
        pid = function.pid
        with pytest.raises(RuntimeFailure, match=r"did not answer within 0\.2 s"):
            function.call(one("hang"))
        wait_for(lambda: function.pid not in (None, pid), seconds=60, what="the hanging process to be replaced")
        wait_for(lambda: _answers(function), seconds=60, what="the function to be back")
    finally:
        function.close()


def _answers(function: FunctionRuntime) -> bool:
    try:
        return bool(function.call(one()))
    except RuntimeFailure:
        return False


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("nowhere:look_up", "nowhere:look_up cannot be imported: ModuleNotFoundError"),
        ("shop:nothing", "shop:nothing cannot be imported: AttributeError"),
        ("shop:broken", "shop:broken cannot be imported: TypeError: it is a int, not a function"),
    ],
)
def test_what_cannot_be_imported_keeps_the_snapshot_from_being_served(tmp_path: Path, name: str, words: str) -> None:
    with bench(tmp_path / "home") as here:
        loader = Loader(here.recorder, load=lambda _: Scripted(), digest=lambda path: path.name)
        with pytest.raises(SeatrialError, match=f"the transform cannot be loaded: {words}"):
            loader.prepare(_behind(name))
        assert loader.loaded == 0


def test_a_deployment_behind_a_function_answers_and_outlives_it(tmp_path: Path) -> None:
    with bench(tmp_path / "home") as here:
        loader = Loader(here.recorder, load=lambda _: Scripted(), digest=lambda path: path.name)
        deployed = loader.prepare(_behind("shop:look_up"))
        here.gateway.activate(here.gateway.prepare(deployed))

        def ask(what: str | None = None) -> Any:
            return asyncio.run(
                here.gateway.predict("churn", {"what": what}, unit="ann", context={"land": "FR"}, request_id=what)
            )["answered_by"]

        assert ask() == "assigned"
        assert ask("die") == "fallback"
        wait_for(lambda: ask() == "assigned", seconds=60, what="the function to be back")
        assert ask("more") == "fallback"
        rows = _rows(here)
        assert rows[-1]["feature.age"] == 30.0
        errors = {row["request_id"]: row["error"] for row in rows}
        assert "it gave 'shoe', which `gives` does not name" in errors["more"]
        assert errors["die"].startswith("the transform failed: ")
        assert here.gateway.selfcheck()["balanced"]
        loader.retire(deployed)
        loader.sweep()
        assert loader.loaded == 0


def _rows(here: Bench) -> list[dict[str, Any]]:
    return sorted(here.rows(), key=lambda row: row["answered_by"] == "assigned")


def _behind(function: str) -> Snapshot:
    what = Feature(name="what", kind="text", nullable=True)
    signature = Signature(
        task="classification",
        features=(what,),
        inputs=(Tensor(name="what", datatype="BYTES", shape=(-1,), features=("what",)),),
        outputs=BINARY.outputs,
        answer=Answer(prediction="label"),
    )
    return snapshot(
        transform=Transform(
            python=function,
            takes=("what",),
            gives={name: (name,) for name in ("age", "income", "country")},
            signature=signature,
            timeout=10.0,
        ),
        slots=(slot("champion", 1, path="/nowhere/digest-1"),),
        context=(ContextKey("land", "string", True),),
        fallback={"prediction": 0},
    )
