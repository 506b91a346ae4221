"""granian (RSGI, one worker) + ONNX Runtime and nothing else: ``python -m bench.rivals.bare_granian PORT MODEL``."""

import os
import sys
from typing import Any

from bench.rivals.scoring import Scorer

_scorer: Scorer | None = None


async def app(scope: Any, protocol: Any) -> None:
    global _scorer
    if _scorer is None:
        _scorer = Scorer(os.environ["BENCH_MODEL"])
    if scope.method == "GET":
        protocol.response_str(200, [], "ready")
        return
    answer = _scorer(await protocol())
    protocol.response_bytes(200, [("content-type", "application/json")], answer)


if __name__ == "__main__":
    from granian import Granian
    from granian.constants import Interfaces, Loops

    os.environ["BENCH_MODEL"] = sys.argv[2]
    Granian(
        "bench.rivals.bare_granian:app",
        address="127.0.0.1",
        port=int(sys.argv[1]),
        interface=Interfaces.RSGI,
        loop=Loops.uvloop,
        workers=1,
        runtime_threads=1,
        log_enabled=False,
    ).serve()
