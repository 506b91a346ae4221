"""PyTorch modules and exported programs to ONNX. torch is the caller's; nothing here installs or needs it otherwise."""

import io
import warnings
from pathlib import Path
from typing import Any

from seatrial.spec.errors import BadInput

INSTALL = "pip install torch onnx onnxscript"


def is_torch(model: object) -> bool:
    """Whether it is a live module or an exported program."""
    return any(cls.__module__.split(".")[0] == "torch" for cls in type(model).__mro__[:-1])


def load_program(path: Path) -> Any:
    """The exported program in a ``.pt2`` file; raises BadInput without torch, or when it is none."""
    torch = _torch()
    try:
        return torch.export.load(path)
    except Exception as error:
        raise BadInput(f"{path.name!r} is not an exported PyTorch program ({_first_line(error)}).") from error


def torch_to_onnx(model: Any, columns: int) -> bytes:
    """A module that takes float32 [n, columns], or an exported program, as ONNX with a dynamic batch.

    Raises:
        BadInput: The conversion failed; the message says at which step.
    """
    torch = _torch()
    example = (torch.zeros((2, columns), dtype=torch.float32),)
    buffer = io.BytesIO()
    try:
        if hasattr(model, "eval"):
            model.eval()
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the exporter's own deprecations are no news to the caller
            if hasattr(model, "graph_module"):
                torch.onnx.export(model, (), buffer, dynamo=True)
            else:
                batch = torch.export.Dim("batch")
                program = torch.export.export(model, example, dynamic_shapes=({0: batch},))
                torch.onnx.export(program, (), buffer, dynamo=True)
    except Exception as error:
        raise BadInput(
            f"The {type(model).__name__} does not export to ONNX ({_first_line(error)}); export it yourself with "
            "torch.onnx.export and register the .onnx file."
        ) from error
    return buffer.getvalue()


def _torch() -> Any:
    try:
        import torch
    except ImportError as error:
        raise BadInput(f"This model needs PyTorch, which is not installed here; run: {INSTALL}") from error
    return torch


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200].rstrip(".")
