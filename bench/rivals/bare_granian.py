"""granian (RSGI, one worker) + ONNX Runtime and nothing else: ``python -m bench.rivals.bare_granian PORT PLACE``."""

import os
import sys
from typing import Any

from bench.rivals.scoring import Scorer

_scorer: Scorer | None = None


async def app(_: Any, protocol: Any) -> None:
    global _scorer
    if _scorer is None:
        _scorer = Scorer(os.environ["BENCH_MODEL"])
    answer = _scorer(await protocol())
    protocol.response_bytes(200, [("content-type", "application/json")], answer)


def serve(target: str, port: int) -> None:
    """Serve an RSGI application, named ``module:variable``."""
    from granian import Granian
    from granian.constants import Interfaces, Loops

    Granian(
        target,
        address="127.0.0.1",
        port=port,
        interface=Interfaces.RSGI,
        loop=Loops.uvloop,
        workers=1,
        runtime_threads=1,
        log_enabled=False,
    ).serve()


if __name__ == "__main__":
    os.environ["BENCH_MODEL"] = f"{sys.argv[2]}/model.onnx"
    serve("bench.rivals.bare_granian:app", int(sys.argv[1]))
