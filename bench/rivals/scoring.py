"""What the bare rivals share with each other: the same request in, the same model run, the same answer out."""

import msgspec
import numpy as np
import onnxruntime as ort

from bench.model import NAMES


class Request(msgspec.Struct):
    features: dict[str, float]
    unit: str = ""


class Scorer:
    """Decode, run, encode: no routing, no validation beyond the decoder's, no log."""

    def __init__(self, path: str) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        self._session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self._input = self._session.get_inputs()[0].name
        self._decoder = msgspec.json.Decoder(Request)
        self._encoder = msgspec.json.Encoder()

    def __call__(self, body: bytes) -> bytes:
        features = self._decoder.decode(body).features
        row = np.array([[features[name] for name in NAMES]], np.float32)
        label, scores = self._session.run(None, {self._input: row})
        return self._encoder.encode({"prediction": int(label[0]), "score": float(scores[0][1])})
