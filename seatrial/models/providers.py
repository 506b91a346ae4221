"""Where an ONNX model runs: a device of the deployment file, and the execution providers of ONNX Runtime behind it.

ONNX Runtime goes on without a provider that it does not find, and answers from the processor, slower and unsaid. Here a
device that was asked for is there, or loading fails with the reason.
"""

import io
import logging
import re
from collections import Counter
from contextlib import redirect_stdout
from typing import Any

from seatrial.routing.snapshot import Device
from seatrial.spec.errors import BadInput

log = logging.getLogger("seatrial.models")

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


RECORD_ASSIGNMENT = "session.record_ep_graph_assignment_info"
"""The setting of a session that lets `check_used` see what the device computes; an older ONNX Runtime ignores it."""

_REASON = re.compile(r"CU\w+ failure \d+: [^;]+|Failed to allocate memory for requested buffer of size \d+")
"""Where an error of ONNX Runtime says what happened, between the places in its source that it names."""

_MEANINGS = (
    (
        re.compile(r"CUDA failure 2:|CUBLAS failure 3:|Failed to allocate"),
        "its memory is full ({found}); free some, serve fewer versions or workers there, or write `device: cpu`",
    ),
    (
        re.compile(r"install TensorRT libraries"),
        "TensorRT's libraries are not on this host; install them (libnvinfer, of the release that this onnxruntime was "
        "built for), or write `device: cuda`",
    ),
    (re.compile(r"CUDA failure"), "{found}; check its driver, or write `device: cpu`"),
)
"""What an error of a device comes to, and the mend, by what is in it; the first that is found."""


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
    if "CUDAExecutionProvider" in chain:
        _preload(onnxruntime)
    return [(name, OPTIONS.get(name, {})) for name in chain if name in there] + [CPU]


def check_started(device: Device, session: Any, onnxruntime: Any) -> None:
    """Raise BadInput when the session opened without the device: its driver or libraries are not there."""
    chain, runs_on = CHAINS[device], session.get_providers()
    if chain and chain[0] not in runs_on:
        missing = _preload(onnxruntime) if "CUDAExecutionProvider" in chain else ""
        raise BadInput(
            f"`device: {device}` is built in, but {chain[0]} did not start on this host, only {', '.join(runs_on)}"
            f"{f' ({missing})' if missing else ''}; check its driver and libraries, or write `device: cpu`."
        )


def check_used(device: Device, session: Any) -> None:
    """Raise BadInput when the device computes no part of the model: then the processor would, slower and unsaid.

    What it leaves to the processor of a model that it computes partly is logged. A session whose ONNX Runtime does not
    say who computes what is let through.
    """
    if device == "cpu" or not hasattr(session, "get_provider_graph_assignment_info"):
        return
    kinds = Counter(
        (part.ep_name, node.op_type)
        for part in session.get_provider_graph_assignment_info()
        for node in part.get_nodes()
    )
    left = Counter({kind: count for (provider, kind), count in kinds.items() if provider == CPU})
    named = ", ".join(kind for kind, _ in left.most_common(3))
    if left and left.total() == kinds.total():
        raise BadInput(
            f"`device: {device}` computes none of this model's operators ({named}), so all of it would run on the "
            "processor; write `device: cpu`."
        )
    if left:
        of = f"{left.total()} of {kinds.total()} operators"
        log.warning("`device: %s` leaves %s of a model to the processor: %s", device, of, named)


def reason(error: Exception) -> str:
    """What an error of ONNX Runtime says, in one line and without the places in its source."""
    found = _REASON.search(" ".join(str(error).split()))
    return found[0].strip() if found else (str(error).strip().splitlines() or [type(error).__name__])[0][:300]


def why_not(device: Device, error: Exception) -> str:
    """Why a model did not open on a device, and what to do next."""
    said, found = str(error), reason(error)
    if device == "cpu":
        return f"The ONNX model does not load: {found}"
    meaning = next((text for pattern, text in _MEANINGS if pattern.search(said)), "{found}")
    return f"The ONNX model does not load on `device: {device}`: {meaning.format(found=found)}"


def _preload(onnxruntime: Any) -> str:
    """Find the CUDA libraries that came as packages; gives the first complaint about one that is missing, or ""."""
    if not hasattr(onnxruntime, "preload_dlls"):
        return ""
    with redirect_stdout(io.StringIO()) as said:  # it prints what it misses
        onnxruntime.preload_dlls()
    failed = (line.partition(": ")[2] for line in said.getvalue().splitlines() if line.startswith("Failed to load"))
    return next(failed, "")
