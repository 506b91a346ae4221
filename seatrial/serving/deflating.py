"""Answers in a content coding that their client accepts, where that is worth it.

Only inferences are: clients exist that say they take gzip with every request and inflate nothing but inferences.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any

from seatrial.serving.coding import chosen, deflate
from seatrial.serving.messages import Answer, Response

LARGE_BYTES = 64 << 10
"""A longer answer is compressed in a thread."""

Coming = Coroutine[Any, Any, Answer]


def deflated(answer: Answer | Coming, accepted: bytes) -> Answer | Coming:
    """The same answer, now or later, compressed; refusals go plain.

    Args:
        accepted: Value of ``accept-encoding``.
    """
    if not isinstance(answer, bytes | Response):
        return _later(answer, accepted)
    body = answer if isinstance(answer, bytes) else answer.body
    coding = chosen(accepted, len(body))
    if coding is None:
        return answer
    plain = answer if isinstance(answer, Response) else Response(200, answer)
    if len(body) > LARGE_BYTES:
        return _in_thread(plain, coding)
    return _coded(plain, coding, deflate(coding, body))


async def _later(coming: Coming, accepted: bytes) -> Answer:
    answer = deflated(await coming, accepted)
    return await answer if asyncio.iscoroutine(answer) else answer


async def _in_thread(answer: Response, coding: bytes) -> Answer:
    return _coded(answer, coding, await asyncio.to_thread(deflate, coding, answer.body))


def _coded(answer: Response, coding: bytes, body: bytes) -> Response:
    return answer._replace(body=body, headers=(*answer.headers, (b"content-encoding", coding)))
