"""Feature kinds and nullable, read off reference data."""

import datetime as dt
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from seatrial.models.features import apply_schema, category_text, infer_feature, infer_features
from seatrial.models.preparing import read_schema
from seatrial.models.reference import read_reference
from seatrial.spec.errors import BadInput, NotFound
from seatrial.spec.signature import Feature

CASES: dict[str, tuple[object, str, bool]] = {
    "float": ([1.5, 2.0], "number", False),
    "float with a gap": ([1.5, np.nan], "number", True),
    "int": ([1, 2], "integer", False),
    "nullable int": (pd.array([1, None], dtype="Int64"), "integer", True),
    "nullable float": (pd.array([1.5, None], dtype="Float64"), "number", True),
    "bool": ([True, False], "boolean", False),
    "nullable bool": (pd.array([True, None], dtype="boolean"), "boolean", True),
    "objects of bools": (np.array([True, None], dtype=object), "boolean", True),
    "objects of ints": (np.array([1, 2], dtype=object), "integer", False),
    "objects of numbers": (np.array([1, 2.5, None], dtype=object), "number", True),
    "datetime": (pd.to_datetime(["2026-01-01", None]), "time", True),
    "zoned datetime": (pd.to_datetime(["2026-01-01T00:00Z"] * 2), "time", False),
    "categorical": (pd.Categorical(["a", None]), "category", True),
    "few strings": (["a", "b", "a", "b"], "category", False),
    "python strings": (pd.array(["a", None, "a"], dtype="string"), "category", True),
    "object strings": (np.array(["a", "a", None], dtype=object), "category", True),
    "ids": ([f"customer-{i}" for i in range(200)], "id", False),
    "sentences": ([f"this is number {i} of them" for i in range(200)], "text", False),
    "many codes": ([f"z{i % 900}" for i in range(20_000)], "category", False),
    "many cities": ([f"North Town {i % 900}" for i in range(20_000)], "category", False),
    "too many codes": ([f"z{i % 1001}" for i in range(20_000)], "text", False),
    "sentences that repeat": ([f"this is number {i % 900} of them" for i in range(20_000)], "text", False),
    "answers that repeat": ([f"this is number {i % 90} of them" for i in range(20_000)], "category", False),
    "embeddings": ([[1.0, 2.0], [3.0, 4.0]], "embedding", False),
    "lists": ([[1.0], [3.0, 4.0]], "list", False),
}


@pytest.mark.parametrize("case", CASES)
def test_kind_and_nullable_of(case: str) -> None:
    values, kind, nullable = CASES[case]
    feature = infer_feature("x", pd.Series(values, name="x"))  # type: ignore[call-overload]
    assert (feature.kind, feature.nullable) == (kind, nullable)


def test_a_categorical_keeps_its_own_order() -> None:
    column = pd.Series(pd.Categorical(["b", "a"], categories=["c", "b", "a"]))
    assert infer_feature("x", column).categories == ("c", "b", "a")


def test_categories_that_are_numbers_become_their_texts() -> None:
    column = pd.Series(pd.Categorical([3, 1], categories=[3, 1]))
    assert infer_feature("x", column).categories == ("3", "1")
    assert category_text(2.0) == "2"
    assert category_text(True) == "true"


def test_a_time_knows_the_zone_that_it_is_written_in_and_the_schema_may_name_one() -> None:
    times = pd.Series(pd.to_datetime(["2026-01-01T00:00Z"] * 2))
    zoned = infer_features(pd.DataFrame({"utc": times, "paris": times.dt.tz_convert("Europe/Paris")}))
    assert [feature.zone for feature in zoned] == [None, "Europe/Paris"]
    corrected = apply_schema(zoned, {"utc": {"kind": "time", "zone": "Asia/Tokyo"}, "paris": {"nullable": True}})
    assert [feature.zone for feature in corrected] == ["Asia/Tokyo", "Europe/Paris"]


def test_an_embedding_knows_its_width() -> None:
    assert infer_feature("x", pd.Series([[1.0, 2.0, 3.0]] * 2)).width == 3


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([None, None], "missing in every row"),
        (np.array(["a", 1], dtype=object), "mixes integer and text"),
        (np.array([dt.date(2026, 1, 1)] * 2, dtype=object), "holds date values, which are no feature"),
        (np.array([1j, 2j]), "complex128"),
    ],
)
def test_a_column_that_is_no_feature_is_named(values: object, said: str) -> None:
    with pytest.raises(BadInput, match=said):
        infer_features(pd.DataFrame({"x": pd.Series(values, dtype=getattr(values, "dtype", object))}))


def test_a_schema_corrects_what_was_inferred() -> None:
    features = infer_features(pd.DataFrame({"age": [1, 2], "plan": ["a", "b"], "x": [0.1, 0.2]}))
    corrected = apply_schema(
        features,
        {"age": {"nullable": True}, "plan": "id", "x": Feature(name="x", kind="number", nullable=True)},
    )
    assert [(f.kind, f.nullable) for f in corrected] == [("integer", True), ("id", False), ("number", True)]
    assert corrected[1].categories is None


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ({"agee": "number"}, "'agee', which is not a feature"),
        ({"age": "nummer"}, "kind 'nummer'"),
        ({"age": {"null": True}}, "has 'null'"),
        ({"age": 3}, "must be a kind or a mapping"),
    ],
)
def test_a_wrong_schema_says_what_is_wrong(schema: dict[str, object], said: str) -> None:
    with pytest.raises(BadInput, match=said):
        apply_schema((Feature(name="age", kind="integer"),), schema)


def test_a_schema_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "features.yaml"
    path.write_text("features:\n  age: {kind: integer, nullable: true}\n")
    assert read_schema(path)["age"]["nullable"] is True
    with pytest.raises(NotFound, match=r"nowhere\.yaml"):
        read_schema(tmp_path / "nowhere.yaml")


def test_csv_keeps_namibia_and_labels_called_no(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("country,answer,amount\nNA,NO,1\nUS,on,\n")
    reference = read_reference(path, target="answer")
    assert list(reference.frame["country"]) == ["NA", "US"]
    assert reference.target is not None
    assert list(reference.target) == ["NO", "on"]
    assert infer_feature("amount", reference.frame["amount"]).nullable


def test_parquet_and_memory_have_digests_that_tell_data_apart(tmp_path: Path) -> None:
    frame = pd.DataFrame({"x": [1.0, 2.0]})
    frame.to_parquet(tmp_path / "a.parquet")
    assert read_reference(tmp_path / "a.parquet").digest == read_reference(tmp_path / "a.parquet").digest
    assert read_reference(frame).digest == read_reference(frame.copy()).digest
    assert read_reference(frame).digest != read_reference(frame * 2).digest


def test_arrays_and_pairs_are_reference_data_too() -> None:
    reference = read_reference((np.zeros((3, 2)), np.array([1, 0, 1])))
    assert list(reference.frame.columns) == ["x0", "x1"]
    assert reference.target_name == "target"


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("rows.txt", "x", "must be .parquet or .csv"),
        ("rows.parquet", "not parquet", "cannot be read as parquet"),
        ("rows.csv", "x\n", "has no rows"),
    ],
)
def test_data_that_is_no_table_is_refused_in_a_sentence(tmp_path: Path, name: str, content: str, said: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(BadInput, match=said):
        read_reference(tmp_path / name)


def test_a_target_that_is_not_there_is_named() -> None:
    with pytest.raises(BadInput, match="'y' is not a column"):
        read_reference(pd.DataFrame({"x": [1]}), target="y")
