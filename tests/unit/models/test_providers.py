"""A device that was asked for is there, or loading fails and says why; never the processor instead, unsaid."""

from types import SimpleNamespace
from typing import Any

import onnxruntime
import pytest

from seatrial.models.providers import CHAINS, CPU, PACKAGES, check_started, check_used, providers_for, reason, why_not
from seatrial.models.runtimes import OnnxRuntime
from seatrial.spec.errors import BadInput
from tests.gateways import logistic

OTHERS = [device for device in CHAINS if device != "cpu"]


def build(*providers: str, **more: Any) -> Any:
    """An ONNX Runtime that was built with some providers."""
    return SimpleNamespace(__version__="9.9", get_available_providers=lambda: [*providers, CPU], **more)


def session(*providers: str) -> Any:
    return SimpleNamespace(get_providers=lambda: [*providers, CPU])


def placed(**operators: str) -> Any:
    """A session that says which provider computes which operator."""
    parts = [
        SimpleNamespace(ep_name=provider, get_nodes=lambda name=name: [SimpleNamespace(op_type=name)])
        for name, provider in operators.items()
    ]
    return SimpleNamespace(get_provider_graph_assignment_info=lambda: parts)


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
    check_started("cpu", session(), build())


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
    with pytest.raises(BadInput, match=r"CUDAExecutionProvider did not start on this host, only CPUExecutionProvider;"):
        check_started("cuda", session(), build())
    check_started("cuda", session("CUDAExecutionProvider"), build())
    with pytest.raises(BadInput, match="TensorrtExecutionProvider did not start"):
        check_started("tensorrt", session("CUDAExecutionProvider"), build())


def test_the_library_that_is_missing_is_named_once_and_nothing_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    def preload() -> None:
        print("Failed to load libcublasLt.so.13: libcublasLt.so.13: cannot open shared object file")
        print("Failed to load libcurand.so.10: libcurand.so.10: cannot open shared object file")
        print("Please follow the installation's page.")

    lacking = build("CUDAExecutionProvider", preload_dlls=preload)
    providers_for("cuda", lacking)
    with pytest.raises(BadInput) as caught:
        check_started("cuda", session(), lacking)
    assert "only CPUExecutionProvider (libcublasLt.so.13: cannot open shared object file); check its" in str(
        caught.value
    )
    with pytest.raises(BadInput, match="only CPUExecutionProvider; check"):
        check_started("openvino", session(), lacking)
    assert capsys.readouterr().out == ""


def test_a_device_that_computes_nothing_of_the_model_is_refused(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(BadInput) as caught:
        check_used("cuda", placed(Scaler=CPU, LinearClassifier=CPU))
    assert "computes none of this model's operators (Scaler, LinearClassifier)" in str(caught.value)
    check_used("tensorrt", placed(MatMul="CUDAExecutionProvider"))
    check_used("cpu", placed(LinearClassifier=CPU))
    check_used("cuda", placed())
    check_used("cuda", session("CUDAExecutionProvider"))  # an older ONNX Runtime does not say
    assert caplog.text == ""


def test_what_a_device_leaves_to_the_processor_is_said(caplog: pytest.LogCaptureFixture) -> None:
    check_used("cuda", placed(MatMul="CUDAExecutionProvider", TreeEnsembleRegressor=CPU))
    assert "`device: cuda` leaves 1 of 2 operators of a model to the processor: TreeEnsembleRegressor" in caplog.text


def test_a_session_does_not_move_to_the_processor_when_its_device_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    real = onnxruntime.InferenceSession

    def noted(*given: Any, **more: Any) -> Any:
        asked.append(more)
        return real(*given, **more)

    monkeypatch.setattr(onnxruntime, "InferenceSession", noted)
    OnnxRuntime(logistic(3)[0])
    assert [more["enable_fallback"] for more in asked] == [0]


@pytest.mark.parametrize(
    ("said", "meaning"),
    [
        (
            "/src/cuda_call.cc:154 T CudaCall(E) [with E = cublasStatus_t] CUBLAS failure 3: the resource allocation "
            "failed ; GPU=0 ; host=a ; expr=cublasCreate(&handle); ",
            "its memory is full (CUBLAS failure 3: the resource allocation failed); free some",
        ),
        ("/src/a.cc:1 CUDA failure 2: out of memory ; GPU=0 ;", "its memory is full (CUDA failure 2: out of memory);"),
        (
            "/src/bfc_arena.cc:360 Failed to allocate memory for requested buffer of size 4096\n",
            "its memory is full (Failed to allocate memory for requested buffer of size 4096);",
        ),
        (
            "/src/a.cc:7 CUDA failure 100: no CUDA-capable device is detected ; GPU=-1 ;",
            "CUDA failure 100: no CUDA-capable device is detected; check its driver, or write `device: cpu`",
        ),
        (
            "/src/s.cc:729 void Register() Please install TensorRT libraries as mentioned in the GPU requirements page",
            "TensorRT's libraries are not on this host; install them",
        ),
        ("something else", "something else"),
    ],
)
def test_why_a_device_does_not_take_a_model_is_one_sentence_with_the_mend(said: str, meaning: str) -> None:
    given = why_not("cuda", RuntimeError(said))
    assert given.startswith(f"The ONNX model does not load on `device: cuda`: {meaning}")
    assert "\n" not in given
    assert ".cc" not in given
    assert why_not("cpu", RuntimeError("bad file\nmore")) == "The ONNX model does not load: bad file"


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        (
            "/src/cuda_call.cc:129 std::conditional_t<T, void, Status> CudaCall(E, const char*, const int) [with E = "
            "cudaError; bool T = true]\n CUDA failure 2: out of memory ; GPU=0 ; host=a ; expr=cudaMalloc((void**)&p);",
            "CUDA failure 2: out of memory",
        ),
        (
            "[ONNXRuntimeError] : 6 : RUNTIME_EXCEPTION : Exception during initialization: /src/bfc_arena.cc:376 void* "
            "BFCArena::AllocateRawInternal(size_t) Failed to allocate memory for requested buffer of size 16777216\n",
            "Failed to allocate memory for requested buffer of size 16777216",
        ),
        ("[ONNXRuntimeError] : 7 : INVALID_PROTOBUF : Protobuf parsing failed.\nmore", "[ONNXRuntimeError] : 7 : "),
        ("", "RuntimeError"),
    ],
)
def test_an_error_of_a_device_is_one_line_without_its_places_in_the_source(said: str, meant: str) -> None:
    given = reason(RuntimeError(said))
    assert given.startswith(meant)
    assert ".cc" not in given
    assert "\n" not in given
