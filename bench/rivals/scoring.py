"""What the bare rivals share with each other: the same request in, the same model run, the same answer out."""

import msgspec

from bench.rivals.session import Session


class Request(msgspec.Struct):
    features: dict[str, float]
    unit: str = ""


class Scorer:
    """Decode, run, encode: no routing, no validation beyond the decoder's, no log."""

    def __init__(self, path: str) -> None:
        self._session = Session(path)
        self._decoder = msgspec.json.Decoder(Request)
        self._encoder = msgspec.json.Encoder()

    def __call__(self, body: bytes) -> bytes:
        return self._encoder.encode(self._session.one(self._decoder.decode(body).features))
