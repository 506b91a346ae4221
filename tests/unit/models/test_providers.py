"""A device that was asked for is there, or loading fails and says why; never the processor instead, unsaid."""

from types import SimpleNamespace
from typing import Any

import onnxruntime
import pytest

from seatrial.models.providers import CHAINS, CPU, PACKAGES, check_started, providers_for
from seatrial.models.runtimes import OnnxRuntime
from seatrial.spec.errors import BadInput
from tests.gateways import logistic

OTHERS = [device for device in CHAINS if device != "cpu"]


def build(*providers: str, **more: Any) -> Any:
    """An ONNX Runtime that was built with some providers."""
    return SimpleNamespace(__version__="9.9", get_available_providers=lambda: [*providers, CPU], **more)


def session(*providers: str) -> Any:
    return SimpleNamespace(get_providers=lambda: [*providers, CPU])


def test_every_provider_is_one_that_onnxruntime_knows() -> None:
    assert {name for chain in CHAINS.values() for name in chain} <= set(onnxruntime.get_all_providers())
    assert set(PACKAGES) == set(OTHERS)


@pytest.mark.parametrize("device", OTHERS)
def test_a_device_that_the_build_lacks_is_named_with_what_it_has_and_where_to_get_it(device: Any) -> None:
    if CHAINS[device][0] in onnxruntime.get_available_providers():
        pytest.skip(f"this onnxruntime has {device}")
    model, _ = logistic(3)
    with pytest.raises(BadInput) as caught:
        OnnxRuntime(model, None, device)
    said = str(caught.value)
    assert f"`device: {device}` needs {CHAINS[device][0]}" in said
    assert onnxruntime.__version__ in said
    assert CPU in said
    assert f"pip install {PACKAGES[device]}" in said
    assert "\n" not in said


def test_the_processor_needs_nothing() -> None:
    assert providers_for("cpu", build()) == [CPU]
    check_started("cpu", session())


def test_tensorrt_has_cuda_behind_it_where_there_is_one() -> None:
    tensorrt, cuda = CHAINS["tensorrt"]
    given = providers_for("tensorrt", build(tensorrt, cuda))
    assert given == [(tensorrt, {}), (cuda, {"use_tf32": "0"}), CPU]
    assert providers_for("tensorrt", build(tensorrt)) == [(tensorrt, {}), CPU]


def test_cuda_libraries_from_packages_are_looked_for_only_where_cuda_is_wanted() -> None:
    looked: list[str] = []
    both = build("CUDAExecutionProvider", "OpenVINOExecutionProvider", preload_dlls=lambda: looked.append("looked"))
    providers_for("openvino", both)
    providers_for("cpu", both)
    assert looked == []
    providers_for("cuda", both)
    assert looked == ["looked"]


def test_a_device_that_is_built_in_and_did_not_start_is_refused() -> None:
    with pytest.raises(BadInput, match=r"CUDAExecutionProvider did not start on this host, only CPUExecutionProvider"):
        check_started("cuda", session())
    check_started("cuda", session("CUDAExecutionProvider"))
    with pytest.raises(BadInput, match="TensorrtExecutionProvider did not start"):
        check_started("tensorrt", session("CUDAExecutionProvider"))
