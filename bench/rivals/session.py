"""What the rivals share: the model of ONNX Runtime on one thread, and nothing else."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnxruntime as ort

from bench.model import NAMES


class Session:
    """The model.

    Args:
        path: The ONNX file.
    """

    def __init__(self, path: str) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        self._session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self._input = self._session.get_inputs()[0].name

    def one(self, features: Mapping[str, float]) -> dict[str, Any]:
        """The answer to a row by name: ``prediction`` and ``score``."""
        label, scores = self.many(np.array([[features[name] for name in NAMES]], np.float32))
        return {"prediction": int(label[0]), "score": float(scores[0][1])}

    def many(self, rows: Any) -> tuple[Any, Any]:
        """Labels [n] and probabilities [n, 2] of float32 rows [n, 30]."""
        label, scores = self._session.run(None, {self._input: rows})
        return label, scores
