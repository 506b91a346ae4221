"""Robyn (one process, one worker), the handler on its event loop."""

import json
import sys

from bench.rivals.session import Session

if __name__ == "__main__":
    port, place = sys.argv[1:3]
    sys.argv[1:] = ["--processes", "1", "--workers", "1", "--log-level", "WARN"]  # Robyn reads the command line itself

    from robyn import Request, Robyn

    session = Session(f"{place}/model.onnx")
    app = Robyn(__file__)

    @app.post("/predict")
    async def predict(request: Request):  # type: ignore[no-untyped-def]
        return session.one(json.loads(request.body)["features"])

    app.start(host="127.0.0.1", port=int(port))
