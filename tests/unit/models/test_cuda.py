"""A model on a CUDA card answers what the processor answers. Skipped where ONNX Runtime has no CUDA that starts."""

import gc
import threading
from functools import cache
from typing import Any

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from bench.batching import NARROW
from seatrial.models.runtimes import OnnxRuntime, RuntimeFailure, open_session
from seatrial.spec.errors import BadInput
from tests.cards import TOLERANCE, apart, full_card, model, no_cuda, rows

pytestmark = pytest.mark.skipif(bool(no_cuda()), reason=no_cuda() or "CUDA is here")


@cache
def runtimes() -> tuple[OnnxRuntime, OnnxRuntime]:
    """A dense model on the processor, and on the card."""
    return OnnxRuntime(model(), ("Y",)), OnnxRuntime(model(), ("Y",), "cuda")


@pytest.mark.parametrize("number", [1, 2, 3, 8, 63, 64, 65, 1000])
def test_answers_are_the_processors_at_every_size_of_a_batch(number: int) -> None:
    processor, card = runtimes()
    given = rows(number, seed=number)
    expected, answer = processor.run(given)["Y"], card.run(given)["Y"]
    assert answer.shape == expected.shape == (number, 1)
    assert apart(answer, expected) <= TOLERANCE


def test_a_row_is_answered_alike_alone_and_beside_others() -> None:
    _, card = runtimes()
    together = rows(64)["X"]
    alone = np.concatenate([card.run({"X": row[None]})["Y"] for row in together])
    assert apart(card.run({"X": together})["Y"], alone) <= TOLERANCE


def test_many_threads_may_ask_at_once() -> None:
    processor, card = runtimes()
    wrong: list[float] = []

    def ask(seed: int) -> None:
        given = rows(1 + seed % 7, seed)
        expected = processor.run(given)["Y"]
        for _ in range(20):
            found = apart(card.run(given)["Y"], expected)
            if not found <= TOLERANCE:
                wrong.append(found)

    threads = [threading.Thread(target=ask, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_the_card_computes_in_whole_float32() -> None:
    session = open_session(model(), "cuda")
    assert session.get_provider_options()["CUDAExecutionProvider"]["use_tf32"] == "0"
    shortened = onnxruntime.InferenceSession(model(), providers=[("CUDAExecutionProvider", {"use_tf32": "1"})])
    given = rows(256)
    expected = runtimes()[0].run(given)["Y"]
    whole, short = (apart(one.run(["Y"], given)[0], expected) for one in (session, shortened))
    assert whole <= TOLERANCE
    assert short > 3 * whole  # a card from before 2020 has no TF32, and no difference


@pytest.mark.parametrize("kind", [MLPClassifier, StandardScaler], ids=["network", "scaled network"])
def test_a_network_of_scikit_learn_answers_alike(kind: Any) -> None:
    given, label = make_classification(400, 8, random_state=0)
    network = MLPClassifier((32,), max_iter=2000, random_state=0)
    original = (network if kind is MLPClassifier else make_pipeline(StandardScaler(), network)).fit(given, label)
    content, names = converted(original, 8)
    tensors = {"input": given.astype(np.float32)}
    processor = OnnxRuntime(content, names).run(tensors)
    card = OnnxRuntime(content, names, "cuda").run(tensors)
    assert np.array_equal(card[names[0]], processor[names[0]])
    assert np.abs(card[names[1]] - processor[names[1]]).max() <= TOLERANCE
    assert np.abs(card[names[1]] - original.predict_proba(given)).max() <= TOLERANCE


def test_trees_which_the_card_does_not_compute_are_refused_or_answer_alike() -> None:
    given, label = make_classification(400, 8, random_state=0)
    original = RandomForestClassifier(10).fit(given, label)
    content, names = converted(original, 8)
    try:
        card = OnnxRuntime(content, names, "cuda")
    except BadInput as error:
        assert "`device: cuda` computes none of this model's" in str(error)  # noqa: PT017
        return
    expected = OnnxRuntime(content, names).run({"input": given.astype(np.float32)})
    assert np.array_equal(card.run({"input": given.astype(np.float32)})[names[0]], expected[names[0]])


def converted(original: Any, features: int) -> tuple[bytes, tuple[str, str]]:
    from skl2onnx import to_onnx
    from skl2onnx.common.data_types import FloatTensorType

    kind = [("input", FloatTensorType([None, features]))]
    content = to_onnx(original, initial_types=kind, options={"zipmap": False}).SerializeToString()
    return content, ("label", "probabilities")


def swelling() -> bytes:
    """A model that makes as many zeros as it is told."""
    graph = helper.make_graph(
        [
            helper.make_node("ConstantOfShape", ["n"], ["zeros"]),
            helper.make_node("ReduceSum", ["zeros"], ["Y"], keepdims=1),
        ],
        "swelling",
        [helper.make_tensor_value_info("n", TensorProto.INT64, [1])],
        [helper.make_tensor_value_info("Y", TensorProto.FLOAT, [1])],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9).SerializeToString()


def test_a_call_for_which_the_card_has_no_room_fails_in_one_line_and_the_next_is_answered() -> None:
    card = OnnxRuntime(swelling(), ("Y",), "cuda")
    with pytest.raises(RuntimeFailure) as caught:
        card.run({"n": np.array([10**12])})
    assert "allocate" in str(caught.value) or "memory" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert ".cc" not in str(caught.value)
    assert card.run({"n": np.array([1000])})["Y"].tolist() == [0.0]


def heavy() -> bytes:
    """A model of 256 MiB."""
    wide = 1 << 22
    weights = [
        numpy_helper.from_array(np.ones((NARROW, wide), np.float32), "V"),
        numpy_helper.from_array(np.ones((wide, 1), np.float32), "W"),
    ]
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["X", "V"], ["M"]), helper.make_node("MatMul", ["M", "W"], ["Y"])],
        "heavy",
        [helper.make_tensor_value_info("X", TensorProto.FLOAT, [None, NARROW])],
        [helper.make_tensor_value_info("Y", TensorProto.FLOAT, [None, 1])],
        weights,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9).SerializeToString()


def test_a_full_card_takes_no_other_model_and_answers_with_the_one_that_it_has() -> None:
    card = OnnxRuntime(model(), ("Y",), "cuda")
    given, other = rows(8), heavy()
    expected = card.run(given)["Y"]
    gc.collect()  # what earlier tests let go of must not be given back while the card is full
    with full_card():
        with pytest.raises(RuntimeFailure, match="does not load on `device: cuda`: its memory is full"):
            OnnxRuntime(other, ("Y",), "cuda")
        assert np.array_equal(card.run(given)["Y"], expected)
    assert OnnxRuntime(other, ("Y",), "cuda").run(given)["Y"].shape == (8, 1)


def test_a_model_without_tensorrts_libraries_is_refused_in_one_sentence() -> None:
    try:
        OnnxRuntime(model(), ("Y",), "tensorrt")
    except (BadInput, RuntimeFailure) as error:
        assert "tensorrt" in str(error).lower()  # noqa: PT017
        assert "\n" not in str(error)  # noqa: PT017
    else:
        pytest.skip("TensorRT is here")
