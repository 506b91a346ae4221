"""A deployment's transform runs over a file as it does over requests: once, before every variant."""

import json
import textwrap
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from seatrial.batch.job import Summary, run
from seatrial.batch.plan import Ask
from seatrial.models.artefact import digest_of, write_manifest
from seatrial.models.manifest import Manifest
from seatrial.models.runtimes import load
from seatrial.routing.snapshot import ContextKey, Slot, Transform
from seatrial.spec.errors import BadInput, Conflict, SeatrialError
from seatrial.spec.signature import Answer, Feature, Signature, Tensor
from tests.batches import FEATURES, answers, model, publish, rows, write_csv, write_parquet

NAMES = tuple(f"feature_{i}" for i in range(FEATURES))
WEIGHTS = np.array([[1, 0, 2, 0], [0, 1, 0, -1]], dtype=np.float32)
HALF = {"champion": 0.5, "challenger": 0.5}
RAW = (Feature(name="wage", kind="number"), Feature(name="age", kind="number"))
SHOP = textwrap.dedent("""
    def look_up(instances):
        if any(one["features"]["wage"] == -1 for one in instances): raise ValueError("no such customer")
        found = []
        for one in instances:
            wage, land = one["features"]["wage"], one["context"]["land"]
            number = float(one["unit"].lstrip("cu"))
            given = {"feature_0": wage, "feature_1": number, "feature_2": len(land or ""), "feature_3": 0.0}
            found.append(given)
        return found
""")


class Place:
    def __init__(self, root: Path) -> None:
        self.home, self.out, self.file = root / "home", root / "scores", root / "customers.parquet"

    def score(self, file: Path | None = None, **more: Any) -> Summary:
        return run(self.home, Ask("churn", file or self.file, "id", self.out, **{"shard_rows": 64, **more}))

    def scores(self, variant: str = "champion") -> list[float]:
        return [one["score"] for one in answers(self.out) if one["variant"] == variant]

    def expected(self, inputs: Any, version: int = 1) -> list[float]:
        runtime = load(model(self.home, "any", version))
        found: list[float] = runtime.run({"X": inputs.astype(np.float32)})["probabilities"][:, 1].tolist()
        return found

    def rejects(self) -> dict[int, str]:
        lines = (self.out / "rejects.ndjson").read_text("utf-8").splitlines()
        assert all(json.loads(line)["variant"] == "" for line in lines)
        return {json.loads(line)["row"]: json.loads(line)["reason"] for line in lines}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    (tmp_path / "shop.py").write_text(SHOP)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{Path(__file__).parents[3]}")
    return Place(tmp_path)


def carried(*features: Feature) -> Signature:
    return Signature(task="raw", features=features, inputs=(), outputs=(), answer=Answer(prediction="label"))


def mixing(home: Path, version: int = 9) -> Transform:
    """A registered model: two numbers into the four of the variants' tensor."""
    from onnx import TensorProto, helper, numpy_helper

    directory = home / "store" / f"prep{version}"
    directory.mkdir(parents=True)
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["R", "W"], ["X"])],
        "mixing",
        [helper.make_tensor_value_info("R", TensorProto.FLOAT, [None, 2])],
        [helper.make_tensor_value_info("X", TensorProto.FLOAT, [None, 4])],
        [numpy_helper.from_array(WEIGHTS * version, "W")],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    (directory / "model.onnx").write_bytes(made.SerializeToString())
    signature = Signature(
        task="raw",
        features=RAW,
        inputs=(Tensor(name="R", datatype="FP32", shape=(-1, 2), features=("wage", "age")),),
        outputs=(Tensor(name="X", datatype="FP32", shape=(-1, 4)),),
        answer=Answer(prediction="X"),
    )
    write_manifest(
        directory, Manifest(name="prep", file="model.onnx", format="onnx", runtime="onnx", signature=signature)
    )
    slot = Slot(
        variant="transform",
        model="prep",
        version=version,
        digest=digest_of(directory),
        path=str(directory),
        runtime="onnx",
        signature=signature,
    )
    return Transform(slot=slot, takes=("wage", "age"), gives={"X": NAMES}, signature=signature)


def function() -> Transform:
    return Transform(
        python="shop:look_up",
        takes=("wage",),
        gives={name: (name,) for name in NAMES},
        signature=carried(Feature(name="wage", kind="number")),
    )


def raw(count: int) -> dict[str, list[Any]]:
    columns = rows(count)
    return {"id": columns["id"], "wage": columns["feature_0"], "age": columns["feature_1"]}


@pytest.mark.parametrize("write", [write_parquet, write_csv])
def test_a_model_feeds_every_variant(place: Place, write: Any) -> None:
    publish(place.home, HALF, transform=mixing(place.home))
    columns = raw(150)
    file = write(place.file.with_suffix(".parquet" if write is write_parquet else ".csv"), columns)
    assert place.score(file).scored == {"champion": 150, "challenger": 150}
    fed = np.array([columns["wage"], columns["age"]], dtype=np.float32).T @ (9 * WEIGHTS)
    for version, variant in ((1, "champion"), (2, "challenger")):
        assert place.scores(variant) == pytest.approx(place.expected(fed, version), abs=1e-6)


def test_rows_that_do_not_fit_the_transform_are_set_aside_alone(place: Place) -> None:
    publish(place.home, HALF, transform=mixing(place.home))
    columns = raw(20)
    columns["wage"][3] = None
    columns["age"][11] = float("inf")
    columns["id"][5] = None
    summary = place.score(write_parquet(place.file, columns))
    assert (summary.scored, summary.rejected) == ({"champion": 17, "challenger": 17}, 3)
    reasons = place.rejects()
    assert set(reasons) == {3, 5, 11}
    assert "'wage' is missing" in reasons[3]
    assert "'age' is infinite" in reasons[11]


def test_the_file_has_what_requests_carry_and_not_what_the_transform_gives(place: Place) -> None:
    publish(place.home, transform=mixing(place.home))
    with pytest.raises(BadInput, match=r"no column 'wage'"):
        place.score(write_parquet(place.file, rows(3)))


@pytest.mark.processes
def test_a_function_is_told_unit_and_context(place: Place) -> None:
    publish(place.home, transform=function(), context=(ContextKey("land", "string", True),))
    columns = {**raw(100), "context.land": ["FR", None] * 50}
    columns["wage"][42] = -1.0
    assert place.score(write_parquet(place.file, columns)).scored == {"champion": 99}
    assert place.rejects() == {
        42: "the transform failed: The function shop:look_up failed: ValueError: no such customer"
    }
    land = np.array([2.0, 0.0] * 50)
    fed = np.array([columns["wage"], np.arange(100.0), land, np.zeros(100)]).T
    assert place.scores() == pytest.approx(place.expected(np.delete(fed, 42, axis=0)), abs=1e-6)

    columns["customer"] = [f"u{i % 7}" for i in range(100)]
    place.score(write_parquet(place.file, columns), unit="customer", fresh=True)
    fed[:, 1] %= 7
    assert place.scores() == pytest.approx(place.expected(np.delete(fed, 42, axis=0)), abs=1e-6)


@pytest.mark.processes
def test_context_that_must_be_there_is_a_column(place: Place) -> None:
    publish(place.home, transform=function(), context=(ContextKey("land", "string", False),))
    with pytest.raises(BadInput, match=r"no column 'context\.land'"):
        place.score(write_parquet(place.file, raw(3)))
    place.score(write_parquet(place.file, {**raw(3), "context.land": ["FR", None, "DE"]}))
    assert place.rejects() == {1: "context.land is missing; expected a string, or declare it `optional`"}


@pytest.mark.processes
def test_a_transform_that_fails_at_everything_ends_the_run(place: Place) -> None:
    publish(place.home, transform=function())
    columns = raw(70)
    columns["wage"] = [-1.0] * 70
    with pytest.raises(SeatrialError, match=r"the transform failed at each of 64 rows .*no such customer"):
        place.score(write_parquet(place.file, columns))


@pytest.mark.processes
def test_a_function_that_is_not_there_is_said(place: Place) -> None:
    publish(place.home, transform=msgspec.structs.replace(function(), python="shop:nothing"))
    with pytest.raises(SeatrialError, match="the transform cannot be loaded: shop:nothing cannot be imported"):
        place.score(write_parquet(place.file, raw(3)))


def test_a_run_does_not_go_on_with_another_transform(place: Place) -> None:
    publish(place.home, transform=mixing(place.home))
    write_parquet(place.file, raw(200))
    seen: list[object] = []
    run(place.home, Ask("churn", place.file, "id", place.out), stop=lambda: bool(seen), progress=seen.append)
    publish(place.home, transform=mixing(place.home, 8), revision=2)
    with pytest.raises(Conflict, match="the versions"):
        place.score()
