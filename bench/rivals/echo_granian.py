"""granian (RSGI, one worker) that sends the body back: the most that granian can do."""

import sys
from typing import Any


async def app(_: Any, protocol: Any) -> None:
    protocol.response_bytes(200, [("content-type", "application/json")], await protocol())


if __name__ == "__main__":
    from bench.rivals.bare_granian import serve

    serve("bench.rivals.echo_granian:app", int(sys.argv[1]))
