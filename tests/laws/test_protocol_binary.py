"""Every datatype comes back from its bytes as it went in; whatever bytes come, the answer is elements or a refusal."""

import math
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from seatrial.protocol.binary import (
    DATATYPES,
    ONLY_BINARY,
    WIRE,
    pack,
    pack_bytes,
    unpack,
    unpack_bytes,
    unpack_numbers,
)
from seatrial.protocol.packing import DTYPES
from seatrial.spec.errors import BadInput

PLAIN = [name for name in WIRE if name != "BF16"]
shapes = arrays.array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=5)


def test_the_table_has_every_datatype_of_the_signature_and_brain_floats() -> None:
    assert set(DATATYPES) == {*DTYPES, "BF16"}
    assert set(DATATYPES) >= ONLY_BINARY


@pytest.mark.parametrize("datatype", PLAIN)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_numbers_and_booleans(datatype: str, data: st.DataObject) -> None:
    dtype = DTYPES[datatype]
    values = data.draw(arrays.arrays(dtype, shapes))
    raw = pack(datatype, values)
    assert raw == values.astype(dtype.newbyteorder("<")).tobytes()
    back = unpack_numbers("x", datatype, values.size, raw)
    np.testing.assert_array_equal(back.astype(dtype), values.reshape(-1))
    elements = unpack("x", datatype, values.size, raw)
    assert len(elements) == values.size
    for element, value in zip(elements, values.reshape(-1).tolist(), strict=True):
        assert type(element) is type(value)
        assert element == value or math.isnan(value)


@settings(max_examples=100, deadline=None)
@given(values=arrays.arrays(np.dtype(np.float32), shapes))
def test_brain_floats_are_the_nearest_and_stay_what_they_are(values: np.ndarray[Any, Any]) -> None:
    raw = pack("BF16", values)
    once = unpack_numbers("x", "BF16", values.size, raw)
    assert pack("BF16", once) == raw
    finite = np.isfinite(values.reshape(-1)) & np.isfinite(once)
    np.testing.assert_array_equal(np.isnan(once), np.isnan(values.reshape(-1)))
    flat = values.reshape(-1)[finite].astype(np.float64)
    tiny = float(np.finfo(np.float32).smallest_subnormal) * 2**16
    assert (np.abs(once[finite] - flat) <= np.maximum(np.abs(flat) / 2**8, tiny)).all()


@settings(max_examples=100, deadline=None)
@given(elements=st.lists(st.text(st.characters(exclude_categories=("Cs",)), max_size=20), max_size=20))
def test_strings_empty_with_nul_and_of_any_script(elements: list[str]) -> None:
    raw = pack("BYTES", np.array(elements, dtype=object))
    assert unpack("x", "BYTES", len(elements), raw) == elements


@settings(max_examples=100, deadline=None)
@given(elements=st.lists(st.binary(max_size=20), max_size=20))
def test_bytes(elements: list[bytes]) -> None:
    assert unpack_bytes("x", len(elements), pack_bytes(elements)) == elements


@settings(max_examples=200, deadline=None)
@given(datatype=st.sampled_from(DATATYPES), count=st.integers(0, 2**31), raw=st.binary(max_size=40))
def test_any_bytes_are_elements_or_refused(datatype: str, count: int, raw: bytes) -> None:
    found: list[Any] | None = None
    with suppress(BadInput):
        found = unpack("x", datatype, count, raw)
    assert found is None or len(found) == count


def test_the_clients_own_writers_agree() -> None:
    utils = pytest.importorskip("tritonclient.utils", reason="needs tritonclient: pip install 'tritonclient[http]'")
    texts = np.array(["", "héllo", "a\0b", "客户"], dtype=object)
    assert utils.serialize_byte_tensor(texts).item() == pack("BYTES", texts)
    halves = np.array([1.0, -2.5, 0.0, np.inf], dtype=np.float32)
    assert utils.serialize_bf16_tensor(halves).item() == pack("BF16", halves)
    np.testing.assert_array_equal(utils.deserialize_bf16_tensor(pack("BF16", halves)).reshape(-1), halves)
