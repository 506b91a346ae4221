"""Where an ONNX model runs: a device of the deployment file, and the execution providers of ONNX Runtime behind it.

ONNX Runtime goes on without a provider that it does not find, and answers from the processor, slower and unsaid. Here a
device that was asked for is there, or loading fails with the reason.
"""

from typing import Any

from seatrial.routing.snapshot import Device
from seatrial.spec.errors import BadInput

CPU = "CPUExecutionProvider"

CHAINS: dict[Device, tuple[str, ...]] = {
    "cpu": (),
    "cuda": ("CUDAExecutionProvider",),
    "tensorrt": ("TensorrtExecutionProvider", "CUDAExecutionProvider"),
    "openvino": ("OpenVINOExecutionProvider",),
}
"""Providers by device, the first one wanted; those behind it, and the processor, take what it cannot compute."""

PACKAGES: dict[Device, str] = {
    "cuda": "onnxruntime-gpu",
    "tensorrt": "onnxruntime-gpu",
    "openvino": "onnxruntime-openvino",
}
"""The build of ONNX Runtime that brings a device. Only one build can be installed at a time."""

OPTIONS: dict[str, dict[str, str]] = {"CUDAExecutionProvider": {"use_tf32": "0"}}
"""Numbers shortened to 10 bits would break the agreement with the original that was proved at registration."""


def providers_for(device: Device, onnxruntime: Any) -> list[Any]:
    """What to open a session with.

    Args:
        onnxruntime: The module that is installed.

    Raises:
        BadInput: Its build lacks the device; the message says what it has and how to get the other.
    """
    there = onnxruntime.get_available_providers()
    chain = CHAINS[device]
    if chain and chain[0] not in there:
        raise BadInput(
            f"`device: {device}` needs {chain[0]}, and this onnxruntime {onnxruntime.__version__} was built with "
            f"{', '.join(there)}; run `pip uninstall -y onnxruntime && pip install {PACKAGES[device]}` on every host "
            "that serves it, or write `device: cpu`."
        )
    if "CUDAExecutionProvider" in chain and hasattr(onnxruntime, "preload_dlls"):
        onnxruntime.preload_dlls()  # finds the CUDA libraries that came as packages
    return [(name, OPTIONS.get(name, {})) for name in chain if name in there] + [CPU]


def check_started(device: Device, session: Any) -> None:
    """Raise BadInput when the session opened without the device: its driver or libraries are not there."""
    chain, runs_on = CHAINS[device], session.get_providers()
    if chain and chain[0] not in runs_on:
        raise BadInput(
            f"`device: {device}` is built in, but {chain[0]} did not start on this host, only {', '.join(runs_on)}; "
            "check its driver and libraries, or write `device: cpu`."
        )
