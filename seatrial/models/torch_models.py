"""PyTorch modules and exported programs to ONNX. torch is the caller's; nothing here installs or needs it otherwise."""

import io
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from seatrial.models.conversion import spread
from seatrial.models.frames import pack
from seatrial.models.made_rows import made_rows
from seatrial.models.manifest import Parity
from seatrial.models.originals import Predicted
from seatrial.models.parity import Difference, compare
from seatrial.models.runtimes import OnnxRuntime
from seatrial.spec.errors import BadInput
from seatrial.spec.signature import Signature

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
        with _evaluating(model), torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the exporter's own deprecations are no news to the caller
            if hasattr(model, "graph_module"):
                torch.onnx.export(model, (), buffer, dynamo=True)
            else:
                batch = torch.export.Dim("batch")
                program = torch.export.export(model, example, dynamic_shapes=({0: batch},))
                torch.onnx.export(program, (), buffer, dynamo=True)
    except ImportError as error:
        raise BadInput(f"PyTorch's exporter needs a package that is not here ({error}); run: {INSTALL}") from error
    except Exception as error:
        raise BadInput(
            f"The {type(model).__name__} does not export to ONNX ({_first_line(error)}); export it yourself with "
            "torch.onnx.export and register the .onnx file."
        ) from error
    return buffer.getvalue()


def torch_parity(model: Any, content: bytes, signature: Signature, frame: pd.DataFrame, tolerance: float) -> Parity:
    """The proof that an exported graph gives the numbers that the module gives, on reference rows and on made rows.

    Args:
        model: The module or program.
        content: The graph as it was exported; its first output is compared.
        signature: How rows become its input.
        frame: Reference rows.
        tolerance: How far values may be apart, relative.

    Raises:
        BadInput: They are further apart.
    """
    reference = spread(frame)
    made = made_rows(reference, signature.features, {})
    runtime = OnnxRuntime(content)
    worst = 0.0
    for rows in (part for part in (reference, made) if len(part)):
        inputs = pack(signature, rows)
        served = next(iter(runtime.run(inputs).values()))
        difference = _difference(torch_answers(model, list(inputs.values())), served)
        if not difference.within(tolerance):
            raise BadInput(
                f"The exported {type(model).__name__} does not answer as the original: on {len(rows)} rows "
                f"{difference.sentence(len(rows))}; export it yourself and register the .onnx file, or allow more with "
                "--parity."
            )
        worst = max(worst, difference.worst_relative)
    return Parity(rows=len(reference), made_rows=len(made), worst_relative=worst, tolerance=tolerance)


def torch_answers(model: Any, inputs: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """The first output of a module or program for the given input tensors."""
    torch = _torch()
    with _evaluating(model), torch.no_grad():
        call = model.module() if hasattr(model, "graph_module") else model
        answer = call(*(torch.from_numpy(np.ascontiguousarray(values)) for values in inputs))
    while isinstance(answer, list | tuple):
        answer = answer[0]
    return np.asarray(answer.numpy())


def _difference(original: NDArray[Any], served: NDArray[Any]) -> Difference:
    if original.shape != served.shape:
        return Difference(shapes=f"the answers have the shape {served.shape}, the original's {original.shape}")
    return compare(Predicted(original.ravel(), None), Predicted(served.ravel(), None), "regression")


@contextmanager
def _evaluating(model: Any) -> Iterator[None]:
    """While it lasts, a module is in evaluation mode (no dropout); a program always is."""
    training = bool(getattr(model, "training", False))
    if training:
        model.eval()
    try:
        yield
    finally:
        if training:
            model.train()


def _torch() -> Any:
    try:
        import torch
    except ImportError as error:
        raise BadInput(f"This model needs PyTorch, which is not installed here; run: {INSTALL}") from error
    return torch


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200].rstrip(".")
