"""FastAPI on uvicorn (uvloop, httptools, one process), the handler on the event loop: the model is quick."""

import sys
from typing import Any

import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel

from bench.rivals.session import Session


class Request(BaseModel):
    features: dict[str, float]
    unit: str = ""


def application(session: Session) -> FastAPI:
    app = FastAPI()

    @app.post("/predict")
    async def predict(request: Request) -> dict[str, Any]:
        return session.one(request.features)

    return app


if __name__ == "__main__":
    uvicorn.run(
        application(Session(f"{sys.argv[2]}/model.onnx")),
        host="127.0.0.1",
        port=int(sys.argv[1]),
        loop="uvloop",
        http="httptools",
        access_log=False,
        log_level="warning",
    )
