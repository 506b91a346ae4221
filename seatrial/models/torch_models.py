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
from seatrial.models.runtimes import OnnxRuntime, RuntimeFailure
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


def torch_to_onnx(model: Any, columns: int, example: object = None) -> bytes:
    """A module or an exported program as ONNX with a dynamic batch.

    Args:
        model: A live module is exported with the example; a program says itself what it takes.
        columns: Number of features; without an example a module takes them as one float32 [n, columns].
        example: One input as the module takes it, a tensor or a tuple of tensors (or arrays), rows on the first axis.

    Raises:
        BadInput: The example is none; or the conversion failed, and the message says at which step.
    """
    torch = _torch()
    is_program = hasattr(model, "graph_module")
    given = () if is_program else _inputs(torch, (2, columns), example)
    buffer = io.BytesIO()
    try:
        with _evaluating(model), torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the exporter's own deprecations are no news to the caller
            program = model if is_program else _exported(torch, model, given)
            torch.onnx.export(program, (), buffer, dynamo=True)
    except ImportError as error:
        raise BadInput(f"PyTorch's exporter needs a package that is not here ({error}); run: {INSTALL}") from error
    except Exception as error:
        raise BadInput(
            f"The {type(model).__name__} does not export to ONNX ({_first_line(error)}); "
            f"{_advice(is_program, example)}export it yourself with torch.onnx.export and register the .onnx file."
        ) from error
    return buffer.getvalue()


def _exported(torch: Any, module: Any, given: tuple[Any, ...]) -> Any:
    batch = torch.export.Dim("batch")
    return torch.export.export(module, given, dynamic_shapes=tuple({0: batch} for _ in given))


def _inputs(torch: Any, shape: tuple[int, int], example: object) -> tuple[Any, ...]:
    """What a module is exported with: two rows at least, because the exporter takes one row for a constant."""
    if example is None:
        return (torch.zeros(shape, dtype=torch.float32),)
    given = example if isinstance(example, tuple | list) else (example,)
    tensors = tuple(torch.from_numpy(one) if isinstance(one, np.ndarray) else one for one in given)
    for tensor in tensors:
        if not isinstance(tensor, torch.Tensor) or tensor.ndim == 0 or not len(tensor):
            raise BadInput(
                f"The example holds {_shown(tensor)}; give a tensor, or a tuple of them, with rows on the first axis."
            )
    rows = {len(tensor) for tensor in tensors}
    if len(rows) != 1:
        raise BadInput(f"The tensors of the example have {sorted(rows)} rows; give all of them the same number.")
    return tuple(torch.cat([tensor, tensor]) for tensor in tensors) if rows == {1} else tensors


def _shown(value: Any) -> str:
    shape = getattr(value, "shape", None)
    return f"a {type(value).__name__}" if shape is None else f"a {type(value).__name__} of shape {list(shape)}"


def _advice(is_program: bool, example: object) -> str:
    if is_program or example is not None:
        return ""
    return "if it takes something else than one float32 tensor of all features, say so with `example=`; else "


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
    for rows in (part for part in (reference, _answerable(model, signature, made)) if len(part)):
        inputs = pack(signature, rows)
        try:
            served = next(iter(runtime.run(inputs).values()))
        except RuntimeFailure as error:
            raise BadInput(f"The exported {type(model).__name__} fails on rows that it answers: {error}") from error
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


def _answerable(model: Any, signature: Signature, rows: pd.DataFrame) -> pd.DataFrame:
    """The rows that the original answers at all: a place outside an embedding is refused by both."""
    if not len(rows) or _answers(model, signature, rows):
        return rows
    return rows[[_answers(model, signature, rows.iloc[[position]]) for position in range(len(rows))]]


def _answers(model: Any, signature: Signature, rows: pd.DataFrame) -> bool:
    try:
        torch_answers(model, list(pack(signature, rows).values()))
    except (IndexError, RuntimeError, ValueError):
        return False
    return True


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
